"""The questions and answers of the license API, member by member; the document is made of them."""

from __future__ import annotations

from marshmallow import EXCLUDE, Schema, fields, validate

from core.api.fields import MOST_SEQ, Flag, Moment, PublicKey, Text, Whole
from core.api.texts import N_
from core.denials import CODES
from core.leases import DEVICE_NAME

KINDS = ("personal", "named", "reserved", "floating")
DIRECTIVES = ("notice", "save_and_close", "release_when_idle")
TOKEN = N_("Compact JWS, verified with Ed25519 and a key of /.well-known/jwks.json.")
LONGEST_PROOF = LONGEST_FILE = 4096


class Question(Schema):
    """What a program sends; members that nobody knows are passed over."""

    class Meta:
        """How it is read."""

        unknown = EXCLUDE


class DeviceSchema(Question):
    """The computer that the program runs on."""

    id = Text(DEVICE_NAME, shortest=1, required=True, description=N_("Made by the application once per computer."))
    name = Text(DEVICE_NAME, description=N_("What its person calls it; shown to the administrator."))
    os = Text(50)
    public_key = PublicKey(N_("The device’s own Ed25519 key, the x of its JWK."))


class AskSchema(Question):
    """A launch of a program that asks for a seat, or keeps the one it has."""

    product = Text(200, required=True, description=N_("The product’s code."))
    version = Text(50, description=N_("The application’s version."))
    device = fields.Nested(DeviceSchema, required=True)
    queue = Flag(metadata={"description": N_("Wait for a seat when none is free.")})
    idle_seconds = Whole(description=N_("For how long nobody has used the application."))
    seq = Whole(most=MOST_SEQ, description=N_("Counts on with each renewal of a launch."))
    client_time = Moment(metadata={"description": N_("The device’s clock; only compared.")})


class BorrowSchema(Question):
    """Until when a seat is wanted without a connection."""

    until = Moment(required=True)


class ReturnSchema(Question):
    """That the device has given its borrowed seat up."""

    proof = Text(
        LONGEST_PROOF, required=True,
        description=N_("Compact JWS by the device’s key, with Ed25519 and the lease’s uuid as jti."),
    )  # fmt: skip


class SignedDeviceSchema(DeviceSchema):
    """A computer that has a key."""

    public_key = PublicKey(required=True)


class FileSchema(Question):
    """What a computer without a network signs when it asks for a seat."""

    portal = Text(200, required=True)
    product = Text(200, required=True)
    version = Text(50)
    device = fields.Nested(SignedDeviceSchema, required=True)
    until = Moment(required=True)
    nonce = fields.UUID(required=True)


class CarriedSchema(Question):
    """A request that was written on a computer without a network."""

    request = Text(
        LONGEST_FILE, required=True,
        description=N_("The request file: a compact JWS by the device’s key, with Ed25519 and typ seat-request+jwt."),
    )  # fmt: skip


class Told(Schema):
    """What a program is told; a later version may tell more."""

    class Meta:
        """How it is read."""

        unknown = EXCLUDE


class SeatSchema(Told):
    """Which seat it is, and how many are in use of its license."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    used = fields.Integer(required=True)
    total = fields.Integer(required=True)


class DirectiveSchema(Told):
    """What the application is to do, or to tell its person."""

    type = fields.String(required=True, validate=validate.OneOf(DIRECTIVES))
    message = fields.String(required=True)
    deadline_s = fields.Integer(required=True, allow_none=True)


class AnswerSchema(Told):
    """What every answer about a launch has."""

    lease_id = fields.UUID(required=True)
    server_time = fields.DateTime(required=True)
    seq = fields.Integer(required=True)
    directives = fields.List(fields.Nested(DirectiveSchema), required=True)


class LeaseSchema(AnswerSchema):
    """A seat that is held, and the token that proves it without a connection."""

    state = fields.String(required=True, validate=validate.OneOf(("active", "borrowed")))
    seat = fields.Nested(SeatSchema, required=True)
    issued_at = fields.DateTime(required=True)
    expires_at = fields.DateTime(required=True)
    renew_after_s = fields.Integer(required=True)
    grace_s = fields.Integer(required=True)
    token = fields.String(required=True, metadata={"description": TOKEN})


class KeySchema(Told):
    """A public key of the portal, as /.well-known/jwks.json has it."""

    kty = fields.String(required=True)
    crv = fields.String(required=True)
    x = fields.String(required=True)
    kid = fields.String(required=True)
    alg = fields.String(required=True)
    use = fields.String(required=True)


class LoanSchema(LeaseSchema):
    """A seat for a computer without a network: the response file."""

    keys = fields.List(
        fields.Nested(KeySchema), required=True,
        metadata={"description": N_("The portal’s keys, for a computer that has never seen them.")},
    )  # fmt: skip


class QueuedSchema(AnswerSchema):
    """A place in the queue; asking again keeps it."""

    state = fields.String(required=True, validate=validate.Equal("queued"))
    position = fields.Integer(required=True)
    poll_after_s = fields.Integer(required=True)


class StateSchema(AnswerSchema):
    """How a launch stands: as a lease, as a place in the queue, or as `expired`."""

    state = fields.String(required=True, validate=validate.OneOf(("active", "borrowed", "queued", "expired")))
    seat = fields.Nested(SeatSchema)
    issued_at = fields.DateTime()
    expires_at = fields.DateTime()
    renew_after_s = fields.Integer()
    grace_s = fields.Integer()
    token = fields.String(metadata={"description": TOKEN})
    position = fields.Integer()
    poll_after_s = fields.Integer()


class HealthSchema(Told):
    """The portal's clock, and whether it can serve."""

    status = fields.String(required=True, validate=validate.OneOf(("ok", "maintenance")))
    protocol = fields.Integer(required=True)
    server_time = fields.DateTime(required=True)
    maintenance = fields.String(required=True, allow_none=True)


class EntitlementSchema(Told):
    """A product, and what stands between the caller and a seat of it."""

    product = fields.String(required=True)
    name = fields.String(required=True)
    may_run = fields.Boolean(required=True)
    code = fields.String(required=True, allow_none=True, metadata={"description": N_("Why not, as of a denial.")})
    detail = fields.String(required=True, allow_none=True)
    seat = fields.Nested(SeatSchema, required=True, allow_none=True)
    ends_at = fields.DateTime(required=True, allow_none=True)


class EntitlementsSchema(Told):
    """What the caller may run now."""

    entitlements = fields.List(fields.Nested(EntitlementSchema), required=True)
    server_time = fields.DateTime(required=True)


class WhySchema(Question):
    """Who and what is asked about."""

    user = Text(320, description=N_("The address of a member; oneself where it is left out."))
    product = Text(200, required=True, description=N_("The product’s code."))


class StepSchema(Told):
    """One thing that decides."""

    key = fields.String(required=True)
    answer = fields.String(required=True, validate=validate.OneOf(("yes", "no", "not_reached")))
    sentence = fields.String(required=True)
    license_id = fields.Integer(required=True, allow_none=True)
    facts = fields.Dict(required=True)


class ChainSchema(Told):
    """Everything that decides, in its order, and where it leads."""

    product = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)
    user = fields.String(required=True)
    may_run = fields.Boolean(required=True)
    code = fields.String(required=True, allow_none=True, metadata={"description": N_("Why not, as of a denial.")})
    detail = fields.String(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)


class ProblemSchema(Told):
    """Why a request is refused (RFC 9457); a code may bring members of its own."""

    type = fields.Url(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    code = fields.String(required=True, validate=validate.OneOf(list(CODES)))
    detail = fields.String(required=True)
    instance = fields.String(required=True)
