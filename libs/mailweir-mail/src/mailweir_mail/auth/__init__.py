"""Mail authentication as pure code: SPF, DKIM, DMARC, ARC, iprev and the header that tells their results.

Nothing here opens a socket. Whatever needs DNS is an `Asking` (`mailweir_core.asking`): it yields
`DnsQuestion`s and is sent `DnsAnswer`s, by a resolver, by a recorded verdict or by a table in a test.
"""
