"""The policy of the first start: the defaults, and what the options say."""

from mailweir_cli.exits import CommandError, Exit
from mailweir_cli.up.options import UpOptions
from mailweir_cli.up.places import Places
from mailweir_policy.document import InvalidPolicyError, dumps, policy_from
from mailweir_policy.paths import assign, read_assignment
from mailweir_policy.policy import Policy


def first_policy(options: UpOptions) -> Policy:
    """Return the policy; raises CommandError with a line for everything that is wrong with the options.

    Mail for `example.com` is taken and goes to the next hop, by default a Maildir in the data directory.
    """
    document = Policy().model_dump(mode="json")
    next_hop = options.next_hop or (options.data / "maildir").as_uri().replace("file", "maildir", 1)
    assign(document, "delivery.routes", [{"domain": "*", "next_hops": [next_hop]}])
    assign(document, "relay.proxy_networks", list(options.proxy_from))
    wrong = []
    for text in options.assignments:
        try:
            assign(document, *read_assignment(text))
        except ValueError as error:
            wrong.append(f"--set {error}")
    if wrong:
        raise CommandError(Exit.INVALID, *wrong)
    try:
        return policy_from(document)
    except InvalidPolicyError as error:
        lines = [f"{p.path or 'policy'}: {p.message}" for p in error.problems]
        raise CommandError(Exit.INVALID, *lines) from error


def write_first_policy(policy: Policy, places: Places) -> bool:
    """Write it for the gateway's first start; returns False where that has been."""
    if places.admin_key.exists():
        return False
    places.first_policy.write_bytes(dumps(policy))
    return True


def ignored_options(options: UpOptions) -> list[str]:
    """Return the options that only count at the first start."""
    given = {
        "--next-hop": bool(options.next_hop),
        "--proxy-from": bool(options.proxy_from),
        "--set": bool(options.assignments),
    }
    return [name for name, is_given in given.items() if is_given]
