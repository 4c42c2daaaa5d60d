"""What a class must be to serve as a plugin: checked when it is loaded, and more before it takes part in a run."""

import inspect
from typing import TYPE_CHECKING, Any, get_args, get_origin

from vgbench.errors import OtherApi, UsageError
from vgbench.text import RENAMED, suggest
from vgbench.version import API_VERSION

if TYPE_CHECKING:
    from vgbench.plugin.entry import Entry

_CHANGEABLE = (list, dict, set, bytearray)


def check_class(entry: "Entry", loaded: Any, home: str) -> None:
    """Refuse what is not a complete plugin of the entry's kind for this version of the interface.

    Raises:
        OtherApi: it was made for another version; the message says whether it or `home` is to be upgraded.
        UsageError: it is something else, or not complete.
    """
    who = f"{entry.kind} {entry.name!r} from {entry.source}"
    # The version first: what a class of another one lacks would only mislead.
    wants = getattr(loaded, "api", API_VERSION)
    if wants != API_VERSION:
        old = home if isinstance(wants, int) and wants > API_VERSION else entry.dist
        raise OtherApi(f"{who} targets plugin API {wants}; this is API {API_VERSION}: upgrade {old}")
    if entry.kind == "logger":
        return  # any object will do, until a run uses it
    import vgbench.api

    base = getattr(vgbench.api, entry.kind.capitalize())
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        wanted = f"vgbench.api.{base.__name__}"
        raise UsageError(f"{who} is no {entry.kind}: {entry.value} must be a subclass of {wanted}")
    missing = sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        raise UsageError(f"{who} is not complete: {entry.value} does not define {', '.join(missing)}")
    _refuse_old_names(who, entry.value, loaded, base)
    params: Any = getattr(loaded, "Params", None)
    if not (isinstance(params, type) and issubclass(params, vgbench.api.Params)):
        raise UsageError(f"{who}: {entry.value}.Params must be a subclass of vgbench.api.Params")
    _refuse_old_names(who, f"{entry.value}.Params", params, vgbench.api.Params)


def _refuse_old_names(who: str, what: str, cls: type[Any], base: type[Any]) -> None:
    """Refuse a declaration by the name that it had in an older version: without an error it would have no effect."""
    for old, new in RENAMED.items():
        # Its own declarations alone (`vars`), and only names that this kind of plugin has now.
        if old in vars(cls) and hasattr(base, new):
            raise UsageError(f"{who}: {what} declares `{old}`, which is called `{new}` now: rename it")


def _check_hook(entry: "Entry", loaded: Any) -> None:
    """Refuse what is no class with at least one hook, and hooks that nobody would ever call."""
    from vgbench.api import hooks as hookspecs

    known = [name for name in vars(hookspecs) if name.startswith("vgbench_")]
    # The attribute by which pluggy's marker for the project `vgbench` marks a hook.
    names = [name for name in dir(loaded) if hasattr(getattr(loaded, name, None), "vgbench_impl")]
    if not isinstance(loaded, type) or not names:
        raise UsageError(
            f"{entry} is no logger: {entry.value} must be a class with at least one method marked "
            f"@vgbench.api.hookimpl ({', '.join(known)})"
        )
    for name in names:
        if name not in known:
            raise UsageError(f"{entry}: there is no hook {name!r}. {suggest(name, known)}")


def check_use(entry: "Entry", cls: type[Any]) -> None:
    """Refuse a plugin whose parameters or constructor would make runs that cannot be described or repeated.

    Raises:
        UsageError: names the plugin, what the contract says and what came.
    """
    if entry.kind == "logger":
        _check_hook(entry, cls)
        return
    import vgbench.api

    base = getattr(vgbench.api, entry.kind.capitalize())
    expected, seen = (inspect.signature(made.__init__).parameters.values() for made in (base, cls))
    kinds = {parameter.kind for parameter in seen}
    required = [p for p in seen if p.default is p.empty]
    if kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} or len(required) > len(expected):
        raise UsageError(
            f"{entry}: its constructor takes ({', '.join(map(_bare, seen))}), expected "
            f"({', '.join(map(_bare, expected))}): what a plugin can be told stands in its Params"
        )
    params = cls.Params
    for setting, wanted in (("frozen", True), ("extra", "forbid")):
        if params.model_config.get(setting) != wanted:
            raise UsageError(
                f"{entry}: its Params have {setting}={params.model_config.get(setting)!r}, expected {wanted!r}, as in "
                "vgbench.api.Params: the values are part of a run's identity"
            )
    for name, info in params.model_fields.items():
        if not (info.description or "").strip():
            raise UsageError(
                f'{entry}: parameter {name!r} has no description; expected Field(..., description="what it does"), '
                f"which `vgbench show {entry.kind} {entry.address}` prints"
            )
        # The default as well: an annotation such as Any does not tell.
        changeable = _changeable(info.annotation) or type(info.default) in _CHANGEABLE
        if changeable:
            raise UsageError(
                f"{entry}: parameter {name!r} is of a kind that can be changed ({info.annotation}); expected one that "
                "cannot, such as tuple[float, ...]: the values are part of a run's identity"
            )


def _bare(parameter: inspect.Parameter) -> str:
    """A parameter without annotation and default."""
    return str(parameter.replace(annotation=parameter.empty, default=parameter.empty))


def _changeable(annotation: Any) -> bool:
    """Whether a type, or one inside it, is a list, dictionary or set."""
    return (get_origin(annotation) or annotation) in _CHANGEABLE or any(map(_changeable, get_args(annotation)))
