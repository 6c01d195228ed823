"""The rights of each process, from one declaration.

`declared` lists the calls of AWS and the topics, groups and transactional ids of each process,
`kafka` the rules of MSK's rights, `policies` makes documents of both for a `site.Site`.
"""
