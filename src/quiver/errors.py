"""Every exception of Quiver.

Each carries an HTTP status and a stable machine-readable code, keeps the offending value, and derives from the
builtin that it specialises, so that callers may catch either.
"""

from __future__ import annotations


class QuiverError(Exception):
    """The base of all; `.value` holds what was wrong, `.hint` what to do about it."""

    status = 500
    code = "internal-error"
    title = "Something went wrong"

    def __init__(self, message: str, *, value: object = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.value = value
        self.hint = hint


class InvalidSetting(QuiverError, ValueError):
    code = "invalid-setting"
    title = "A setting has no valid value"


class InvalidIdentifier(QuiverError, ValueError):
    status = 400
    code = "invalid-identifier"
    title = "Not a valid identifier"


class InvalidRecord(QuiverError, ValueError):
    """A record, or a whole file, that cannot be taken; readers turn it into a `RecordError`."""

    status = 400
    code = "invalid-record"
    title = "Not a valid record"


class InvalidRedaction(QuiverError, ValueError):
    """A file of redactions that is none, or that asks for what cannot be done."""

    status = 400
    code = "invalid-redaction"
    title = "Not a valid redaction"


class TracesFound(QuiverError, RuntimeError):
    """What was to be taken out is still there; `.value` holds where."""

    code = "traces-found"
    title = "Something is left of what was taken out"


class UnknownFormat(QuiverError, ValueError):
    status = 400
    code = "unknown-format"
    title = "No reader or writer for this format"


class StorageUnavailable(QuiverError, RuntimeError):
    """What an URL names cannot be reached, read on or written; no OSError, which readers take for damage of a file."""

    status = 502
    code = "storage-unavailable"
    title = "The storage cannot be reached"


class MissingExtra(QuiverError, ImportError):
    """What was asked for needs a package that is installed only on demand."""

    code = "missing-extra"
    title = "An optional package is not installed"


class ConversionFailed(QuiverError, RuntimeError):
    """The machines that an executor stands for could not do their share of a conversion."""

    code = "conversion-failed"
    title = "The conversion failed"


class NothingAccepted(QuiverError, ValueError):
    """A build whose input held not one acceptable record: nothing is published."""

    code = "nothing-accepted"
    title = "No record was accepted"


class RejectedRecords(QuiverError, ValueError):
    """A strict build met a record that it could not take."""

    code = "rejected-records"
    title = "Records were rejected"


class NoRelease(QuiverError, FileNotFoundError):
    status = 503
    code = "no-release"
    title = "The library has no release"


class UnsupportedRelease(QuiverError, ValueError):
    """A release whose format number this software does not serve."""

    status = 503
    code = "unsupported-release"
    title = "The release has another format"


class DamagedRelease(QuiverError, OSError):
    """A release whose files are not what its manifest says."""

    status = 503
    code = "damaged-release"
    title = "The release is damaged"


class LibraryBusy(QuiverError, OSError):
    """Another process is writing to the library."""

    status = 503
    code = "library-busy"
    title = "The library is being written to"


class NotEnoughDisk(QuiverError, OSError):
    """A new release for which the disk is too small: refused before it is written, or told when the disk is full."""

    status = 507
    code = "not-enough-disk"
    title = "The disk is too small"


class NotFound(QuiverError, LookupError):
    status = 404
    code = "not-found"
    title = "Not found"


class Gone(NotFound):
    """What an earlier release held and the present one does not."""

    status = 410
    code = "gone"
    title = "No longer here"


class NotAcceptable(QuiverError, ValueError):
    status = 406
    code = "not-acceptable"
    title = "No acceptable representation"


class BadRequest(QuiverError, ValueError):
    status = 400
    code = "bad-request"
    title = "Bad request"


class BodyTimeout(QuiverError, TimeoutError):
    """A request whose body did not arrive in time."""

    status = 408
    code = "body-timeout"
    title = "The body did not arrive"


class UnsupportedMediaType(QuiverError, ValueError):
    status = 415
    code = "unsupported-media-type"
    title = "Unsupported media type"


class UnknownQuery(NotFound):
    code = "unknown-query"
    title = "No such named query"


class InvalidQueryFile(QuiverError, ValueError):
    """A `.rq` file whose header or text is not valid."""

    code = "invalid-query-file"
    title = "A query file is not valid"


class InvalidParameter(QuiverError, ValueError):
    status = 400
    code = "invalid-parameter"
    title = "A parameter has no valid value"


class MalformedQuery(QuiverError, ValueError):
    """A SPARQL query that does not parse; line and column count from 1, None where unknown."""

    status = 400
    code = "malformed-query"
    title = "Malformed query"

    def __init__(
        self,
        message: str,
        *,
        value: object = None,
        hint: str = "",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message, value=value, hint=hint)
        self.line = line
        self.column = column


class UnsupportedFunction(MalformedQuery):
    """A query that parses and calls a function that there is not."""

    code = "unsupported-function"
    title = "No such function"


class QueryRefused(QuiverError, PermissionError):
    status = 403
    code = "query-refused"
    title = "Query refused"


class UpdateRefused(QuiverError, PermissionError):
    status = 403
    code = "update-refused"
    title = "Updates are not served"


class WriteRefused(UpdateRefused):
    """A method of HTTP that would change what is served."""

    status = 405
    code = "method-not-allowed"
    title = "Nothing is written over HTTP"


class ServiceFailed(QuiverError, ConnectionError):
    """A remote endpoint that the operator allows, asked by SERVICE, gave no answer."""

    status = 502
    code = "service-failed"
    title = "A remote endpoint failed"


class EndpointFailed(QuiverError, ConnectionError):
    """The SPARQL engine that holds the release, on another machine, gave no answer, or none that can be used."""

    status = 502
    code = "endpoint-failed"
    title = "The SPARQL engine failed"


class QueryTimeout(QuiverError, TimeoutError):
    status = 503
    code = "query-timeout"
    title = "Query timed out"


class Overloaded(QuiverError, RuntimeError):
    status = 503
    code = "overloaded"
    title = "Too many queries at once"


class MemoryLimit(QuiverError, MemoryError):
    status = 507
    code = "memory-limit"
    title = "Query needs too much memory"


class ResultTooLarge(QuiverError, OverflowError):
    status = 400
    code = "result-too-large"
    title = "Result too large"


class WorkerLost(QuiverError, RuntimeError):
    """The process that evaluated a query ended without an answer (killed from outside, say)."""

    status = 503
    code = "worker-lost"
    title = "The query worker was lost"


class InvalidSearch(QuiverError, ValueError):
    status = 400
    code = "invalid-search"
    title = "The search text does not parse"


class InvalidShapes(QuiverError, ValueError):
    """A shapes graph that does not parse, or that asks for more of SHACL than is supported."""

    code = "invalid-shapes"
    title = "The shapes are not supported"
