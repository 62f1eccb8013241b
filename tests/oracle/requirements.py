"""What pip says of a few hundred installations and requirement files that were made at random.

    requirements.py DIRECTORY COUNT SEED

Makes DIRECTORY/0, 1, ... with a venv in each whose packages are nothing but their metadata, a file
`requirements.txt`, a file `all.txt` with the name of each package, and a file `pip` with two words:
whether `pip install --dry-run` would do nothing for the one, and whether `pip check` is content.
pip runs in this process, once a question: a process for each would take ten times as long.
"""

import contextlib
import io
import json
import os
import random
import sys
import zipfile
from pathlib import Path

from pip._internal.cli.main import main as pip

directory, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(seed)
library = f"python{sys.version_info[0]}.{sys.version_info[1]}"
real = Path(os.path.realpath(sys.executable))

NAMES = ["alpha", "Beta_one", "gamma.x", "delta", "epsilon", "zeta"]
VERSIONS = ["0.9", "1.0", "1.0.post1", "1.2.3", "1.10", "2.0a1", "2.0", "2.0+local", "2.0.1", "3.0.dev1", "1!1.0"]
OPERATORS = ["==", "!=", ">=", "<=", ">", "<", "~="]
# Not all versions of pip find an extra by another spelling of its name.
EXTRAS = ["web", "fast-io"]
MARKERS = [
    'python_version >= "3.8"', 'python_version < "3.0"', "sys_platform == 'linux'", "sys_platform == 'win32'",
    'os_name == "posix" and python_version > "3"', "(os_name == 'nt' or sys_platform == 'darwin')",
    'platform_python_implementation == "CPython"', "python_version in '2.7 3.99'", "python_full_version >= '3.8.1'",
    "python_full_version < '3.8.1'", "platform_system != 'Linux'", "'linux' in sys_platform", "python_version ~= '3.6'",
]


def clause():
    operator, version = random.choice(OPERATORS), random.choice(VERSIONS)
    if operator in ("==", "!=") and random.random() < 0.4:
        return operator + random.choice(["1.*", "1.0.*", "2.*", "2.0.*", "1!1.*", "1.2.*", "0.*"])
    if operator not in ("==", "!="):
        version = version.split("+")[0]
    blank = random.choice(["", "", " "])
    return operator + blank + version


def requirement(own_extra=False):
    text = random.choice(NAMES)
    if random.random() < 0.2:
        text += "[" + ",".join(random.sample(EXTRAS, random.choice([1, 1, 2]))) + "]"
    if random.random() < 0.6:
        text += random.choice(["", " "]) + ",".join(clause() for _ in range(random.choice([1, 1, 2])))
    marker = random.choice(MARKERS) if random.random() < 0.25 else ""
    if own_extra and random.random() < 0.35:
        extra = f'extra == "{random.choice(EXTRAS)}"'
        marker = f"({marker}) and {extra}" if marker else extra
    return text + (" ; " + marker if marker else "")


def metadata(name, version):
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in EXTRAS]
    lines += [f"Requires-Dist: {requirement(own_extra=True)}" for _ in range(random.choice([0, 0, 0, 1, 2]))]
    return "\n".join(lines) + "\n\nA description: Version: 9\n"


def stem(name, version):
    return f"{name.replace('.', '_').lower()}-{version}"


# One of each, so that what each requires is the same wherever it comes from.
packages = {(name, version): metadata(name, version) for name in NAMES for version in VERSIONS}
repository = directory / "repository"
repository.mkdir()
for (name, version), text in packages.items():
    wheel_file = "Wheel-Version: 1.0\nGenerator: oracle\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(repository / f"{stem(name, version)}-py3-none-any.whl", "w") as wheel:
        info = f"{stem(name, version)}.dist-info"
        wheel.writestr(f"{info}/METADATA", text)
        wheel.writestr(f"{info}/WHEEL", wheel_file)
        wheel.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")

standard = [path for path in sys.path if "site-packages" not in path and "dist-packages" not in path and path]


def ask(site, *words):
    """pip's exit code, with `site` as all that is installed."""
    sys.path[:] = standard + [str(site)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            return pip(list(words))
        except SystemExit as end:
            return end.code


for number in range(count):
    here = directory / str(number)
    site = here / "venv/lib" / library / "site-packages"
    site.mkdir(parents=True)
    (here / "venv/bin").mkdir()
    (here / "venv/bin/python").symlink_to(real)
    (here / "venv/pyvenv.cfg").write_text(f"home = {real.parent}\ninclude-system-site-packages = false\n")
    installed = random.sample(NAMES, random.randint(2, len(NAMES)))
    for name in installed:
        version = random.choice(VERSIONS)
        info = site / f"{stem(name, version)}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(packages[name, version])
        (info / "INSTALLER").write_text("pip\n")
        (info / "RECORD").write_text("")
    lines = [requirement() for _ in range(random.choice([1, 1, 2, 3]))]
    if random.random() < 0.3:
        lines[0] = lines[0].replace(" ;", " \\\n    ;", 1)
    if random.random() < 0.3:
        lines.insert(0, "# a comment\n--no-index")
        lines[-1] += "  # and another"
    if random.random() < 0.25:
        (here / "limits.txt").write_text(f"{random.choice(NAMES)}{clause()}\n")
        lines.append("-c limits.txt")
    if random.random() < 0.2:
        (here / "more.txt").write_text(requirement() + "\n")
        lines.append("--requirement=more.txt")
    (here / "requirements.txt").write_text("\n".join(lines) + "\n")
    (here / "all.txt").write_text("\n".join(installed) + "\n")
    report = here / "report.json"
    code = ask(site, "install", "--dry-run", "--quiet", "--no-index", "--find-links", str(repository),
               "--disable-pip-version-check", "--report", str(report), "-r", str(here / "requirements.txt"))
    there = code == 0 and json.loads(report.read_text())["install"] == []
    content = ask(site, "check", "--disable-pip-version-check") == 0
    (here / "pip").write_text(f"{'there' if there else 'missing'} {'content' if content else 'broken'}\n")
