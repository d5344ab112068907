"""What a program does with each code; the public page of a problem says it, and so does the reference."""

from __future__ import annotations

from core.api.texts import N_

ADVICE = {
    "malformed_request": N_("No application should send this request. Stop, and report it as a fault."),
    "token_invalid": N_("Refresh the access token; when that fails too, let the person sign in again."),
    "not_a_member": N_("Show the sentence, and offer to ask for access."),
    "membership_disabled": N_("Show the sentence. Work can still be saved; an administrator can enable the person."),
    "no_permission": N_("Show the sentence, and offer to ask for access."),
    "flex_not_allowed_has_named": N_("Use the seat that is given to the person; no shared one is drawn."),
    "unknown_product": N_("Do not ask again: the product’s code is not in the catalog."),
    "unknown_lease": N_("Do not ask again: the number was never used by this caller."),
    "no_seat_available": N_("Offer to wait in the queue. A running application keeps saving and exporting."),
    "device_limit": N_("Name the device that has the seat, and lead to the person’s devices."),
    "device_conflict": N_("This computer was copied, or its key has changed. Make a new key, and sign in again."),
    "lease_id_conflict": N_("Make a new number for this launch."),
    "cooling_down": N_("An administrator ended the session a moment ago. Wait as long as Retry-After says."),
    "borrow_limit": N_("Half of the seats stay where they are. Ask again when another one is back."),
    "still_running": N_("The same request is being answered. Ask again after Retry-After."),
    "lease_ended": N_("Go read-only; saving still works. Take a new number when the person wants to go on."),
    "borrow_too_long": N_("Offer a day until max_until."),
    "borrow_not_allowed": N_("Show the sentence; nothing is borrowed."),
    "idempotency_mismatch": N_("Make a new Idempotency-Key for another request."),
    "rate_limited": N_("Wait as long as Retry-After says, and keep the seat."),
    "internal_error": N_("Keep the seat, and ask again later. It is no answer to the question."),
    "maintenance": N_("Wait as long as Retry-After says, and keep the seat."),
}
