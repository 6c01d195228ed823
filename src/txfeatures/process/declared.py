"""The declared features of this process, from the file that its settings name."""

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.features import Declaration, default, read
from txfeatures.process.settings import FeaturesSettings


def load_features(settings: FeaturesSettings) -> Declaration:
    """Return the declaration of the file, or the one that is shipped.

    Raises:
        DeclarationError: It has mistakes; each is described with its line and column.
        SettingsError: The file can't be read.
    """
    if settings.file is None:
        return default()
    try:
        text = settings.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{settings.file} can't be read ({error})") from error
    return read(text, name=str(settings.file))
