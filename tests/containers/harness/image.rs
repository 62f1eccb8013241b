//! Images of the tests' own: one with all packages in it, and one with nothing.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::directory::Directory;
use super::engine::{Engine, label, unique};

impl Engine {
    /// The demo's application, and those beside these tests, with their packages installed at build
    /// time, by its id: that stays the same when another work tree builds its own of this name. It is
    /// kept for the next run, and built anew when something in it has changed.
    pub fn packed(&self) -> &'static str {
        static IMAGE: OnceLock<Option<String>> = OnceLock::new();
        // A build that has failed is not tried again by the next test.
        let build = || catch_unwind(AssertUnwindSafe(|| self.build_packed())).ok();
        IMAGE.get_or_init(build).as_deref().expect("the image; a test before this says why")
    }

    fn build_packed(&self) -> String {
        const NAME: &str = "pydexec-test-packed";
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let here = root.join("tests/containers");
        let applications = [root.join("docker/demo/app"), here.join("app")];
        let requirements =
            [root.join("docker/demo/requirements.txt"), root.join("docker/wheelhouse.txt")];
        let recipe = here.join("Dockerfile");

        let mut hasher = DefaultHasher::new();
        self.docker(["inspect", "--format", "{{.Id}}", &self.base]).hash(&mut hasher);
        let contents = applications.iter().flat_map(|directory| files(directory));
        let parts = [&recipe, &self.binary].into_iter().chain(&requirements).cloned();
        for file in parts.chain(contents) {
            fs::read(&file).unwrap().hash(&mut hasher);
        }
        let inputs = format!("{:016x}", hasher.finish());

        let format = "{{index .Config.Labels \"inputs\"}} {{.Id}}";
        let before = self.ask(["image", "inspect", "--format", format, NAME]);
        let before = String::from_utf8_lossy(&before.stdout).trim().to_owned();
        if let Some((of, id)) = before.split_once(' ') {
            if of == inputs {
                return id.to_owned();
            }
        }

        let context = Directory::new();
        fs::create_dir(context.path().join("app")).unwrap();
        for file in applications.iter().flat_map(|directory| files(directory)) {
            fs::copy(&file, context.path().join("app").join(file.file_name().unwrap())).unwrap();
        }
        fs::create_dir(context.path().join("wheelhouse")).unwrap();
        for wheel in files(&self.wheelhouse) {
            let name = wheel.file_name().unwrap();
            fs::copy(&wheel, context.path().join("wheelhouse").join(name)).unwrap();
        }
        let text = requirements.map(|file| fs::read_to_string(file).unwrap()).concat();
        // With uv in PATH it would be the installer.
        let without_uv: Vec<_> = text.lines().filter(|line| !line.starts_with("uv==")).collect();
        context.file("requirements.txt", &without_uv.join("\n"));
        fs::copy(&self.binary, context.path().join("pydexec")).unwrap();
        fs::copy(recipe, context.path().join("Dockerfile")).unwrap();
        let base = format!("BASE={}", self.base);
        let label = format!("inputs={inputs}");
        let context = context.path().display().to_string();
        let names = ["--tag", NAME, "--label", &label, "--build-arg", &base];
        let options = ["build", "--quiet", "--force-rm"].into_iter().chain(names);
        self.docker(options.chain([context.as_str()]))
    }

    /// The static binary and the probe, and no other file.
    pub fn scratch(&self) -> &'static str {
        static IMAGE: OnceLock<String> = OnceLock::new();
        IMAGE.get_or_init(|| {
            let context = Directory::new();
            context.file(
                "Dockerfile",
                "FROM scratch\nCOPY pydexec probe /\nENTRYPOINT [\"/pydexec\", \"--\"]\n\
                 CMD [\"/probe\", \"state\"]\n",
            );
            fs::copy(&self.binary, context.path().join("pydexec")).unwrap();
            fs::copy(&self.probe, context.path().join("probe")).unwrap();
            let (name, label) = (unique(), label());
            let context = context.path().display().to_string();
            self.docker(["build", "--quiet", "--tag", &name, "--label", &label, &context]);
            name
        })
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}
