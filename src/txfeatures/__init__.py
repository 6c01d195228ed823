"""Shared and small: what every txfeatures service uses, without knowledge of any of them.

`txfeatures.client` is a part of the distribution ``txfeatures-client``. Wherever that is installed,
`extend_path` finds it.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
