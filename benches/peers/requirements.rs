//! What it costs to find that there is nothing to install.

use crate::contestants::{BARE, Contestant, PYDEXEC, Places, present};
use crate::race::Race;

pub const STAMPED: &str = "pydexec -r, unchanged";
pub const JUDGED: &str = "pydexec -r, all installed";
pub const UV: &str = "uv pip install -r";
pub const PIP: &str = "pip install -r";

/// pip takes most of a second, and so runs in each of the rounds that this divides only.
const PIP_EVERY: usize = 25;

/// `None` where `benches/prepare` could not fill the environments.
pub fn race(places: &Places) -> Option<Race> {
    let text = |name: &str| places.folder.join(name).display().to_string();
    let target = places.target().display().to_string();
    let file = text("requirements.txt");
    // In one of them pydexec itself has installed and left its stamp, in the other one pip has.
    let (stamped, plain) = (text("venv-stamped"), text("venv"));
    let python = format!("{plain}/bin/python");
    if !places.folder.join("venv/bin/python").exists() {
        eprintln!("without a package index: the race of requirements is left out");
        return None;
    }
    let ours = |name, words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().chain(["--", target.as_str()]).collect();
        Contestant::new(name, &places.ours("pydexec"), &words).ours()
    };
    let mut pip = Contestant::new(
        PIP,
        python.as_ref(),
        &["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", &file],
    );
    pip.every = PIP_EVERY;
    let uv = ["pip", "install", "-q", "--python", &python, "-r", &file];
    let mut uv = Contestant::new(UV, &places.folder.join("uv/bin/uv"), &uv);
    uv.variables = vec![("UV_CACHE_DIR", text("uv-cache"))];
    let contestants = present(vec![
        Contestant::new(BARE, &places.target(), &[]),
        ours(PYDEXEC, &["--venv", &plain]),
        ours(STAMPED, &["--venv", &stamped, "-r", &file]),
        ours(JUDGED, &["--venv", &plain, "-r", &file]),
        uv,
        pip,
    ]);
    Some(Race { title: "requirements with nothing to do", contestants, drawn: false })
}
