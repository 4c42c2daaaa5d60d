"""What a command says of an option that it does not have, or of a word that it does not take."""

from typing import Any

from typer.core import TyperCommand


class HintingCommand(TyperCommand):
    """A command whose parser names what was probably meant: a parameter for --set, or --data for a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and add a hint to the parser's error."""
        given, known = list(args), {flag for parameter in self.params for flag in getattr(parameter, "opts", ())}
        try:
            return super().parse_args(ctx, args)
        except Exception as err:
            # By what they have: some versions of typer bring a click of their own, with classes of its own.
            said, flag = getattr(err, "message", ""), getattr(err, "option_name", None)
            hint = ""
            if flag and "--set" in known and (address := _parameter(flag)):
                hint = f"it is a parameter: --set {address}=VALUE"
                vars(err)["possibilities"] = None
            elif "unexpected extra argument" in said and "--data" in known and (found := _file(given)):
                hint = f"the training set is given by --data {found}"
            elif "unexpected extra argument" in said and ctx.info_name == "import":
                hint = "one file has all episodes: rows one after another, and the length of each (see docs/data.md)"
            if hint:
                vars(err)["message"] = f"{said.rstrip('.')}; {hint}"
            raise


def _parameter(flag: str) -> str | None:
    """Address of the parameter of the core that has the name of a flag, if there is one."""
    from vgbench.settings import GROUPS

    name = flag.lstrip("-").replace("-", "_")
    return next((f"{group}.{name}" for group, params in GROUPS.items() if name in params.model_fields), None)


def _file(args: list[str]) -> str | None:
    """The first word that is the name of a file."""
    return next((word for word in args if word.endswith((".h5", ".hdf5", ".npz")) and not word.startswith("-")), None)
