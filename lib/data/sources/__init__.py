"""Public molecule sets: fetch their files, parse them, pack them flat. `python -m lib.data.sources` lists them."""


def public_sets() -> dict:
    """Every public set by its name; imported here, since the parsers' worker processes need none of it."""
    from lib.data.sources import denali, md17, pcqm4mv2, qm7, qm9, xxmd

    known = (pcqm4mv2.SOURCE, pcqm4mv2.FROM_XYZ, denali.SOURCE, qm9.SOURCE, xxmd.SOURCE, qm7.SOURCE, md17.SOURCE)
    return {source.name: source for source in known}
