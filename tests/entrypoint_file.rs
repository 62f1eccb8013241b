//! `pydexec run FILE` and `pydexec check FILE`: what a file does, and in which order.

#![cfg(feature = "file")]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde_json::Value;
use support::system::mode;
use support::{
    Exit, Need, Output, Plain, Scene, Scratch, able, binary, eventually, plainly, probe, program,
    pydexec,
};

/// A directory with an entrypoint file in it.
struct Place {
    scratch: Scratch,
    file: PathBuf,
}

impl Place {
    /// `PROBE` in the text is the probe, `HERE` the directory.
    fn new(text: &str) -> Self {
        let scratch = Scratch::new();
        let text = text
            .replace("PROBE", probe().to_str().expect("its path is text"))
            .replace("HERE", scratch.path().to_str().expect("its path is text"));
        let file = scratch.file("entrypoint.toml", text);
        Self { scratch, file }
    }

    fn call(&self, face: &str, words: &[&str]) -> Plain {
        let call = [face.as_ref(), self.file.as_os_str()].into_iter();
        plainly(call.chain(words.iter().map(OsStr::new)))
    }

    fn run(&self, words: &[&str]) -> Plain {
        self.call("run", words)
    }

    fn check(&self, words: &[&str]) -> Plain {
        self.call("check", words)
    }

    /// PID 1 of a namespace.
    fn scene(&self, words: &[&str]) -> Scene {
        let call = ["run".as_ref(), self.file.as_os_str()].into_iter();
        pydexec(call.chain(words.iter().map(OsStr::new))).as_pid1()
    }
}

#[track_caller]
fn prints(output: &Output, stdout: &str) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(0), stdout), "{output:?}");
}

#[track_caller]
fn refuses(output: &Output, parts: &[&str]) {
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(2), ""), "{output:?}");
    for part in parts {
        assert!(output.stderr.contains(part), "no {part:?} in {output:?}");
    }
}

#[test]
fn the_first_word_decides_which_command_it_is() {
    let place = Place::new(
        "[exec]\ncmd = 'echo exec'\nargs = ['--always']\n\
         [command.worker]\ncmd = ['echo', 'worker']\n[[run]]\ncmd = 'echo step'",
    );
    prints(&place.run(&[]).output(), "step\nexec --always\n");
    prints(&place.run(&["-x", "y z"]).output(), "step\nexec --always -x y z\n");
    prints(&place.run(&["worker"]).output(), "step\nworker\n");
    prints(&place.run(&["worker", "--beat"]).output(), "step\nworker --beat\n");
    // A program of the user's own: without the steps.
    prints(&place.run(&["echo", "worker"]).output(), "worker\n");
}

#[test]
fn a_file_with_the_run_bit_is_a_program_of_its_own() {
    let scratch = Scratch::new();
    let text = format!("#!{} run\n[exec]\ncmd = 'echo'\n", binary().display());
    let file = scratch.executable("entrypoint", text);
    let output = program(&file, &["-a", "b c", ""]).output();
    prints(&output, "-a b c \n");
}

#[test]
fn words_of_the_command_are_bytes_and_never_split_or_replaced() {
    let place = Place::new("[exec]\ncmd = ['PROBE', 'args']");
    let odd = OsStr::from_bytes(b"-\xff ${X} $$ *");
    let output = pydexec([OsStr::new("run"), place.file.as_os_str(), odd]).output();
    let hex: String = odd.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(output.stdout.contains(&hex), "{output:?}");
}

#[test]
fn the_environment_is_cleared_defaulted_set_and_required() {
    let place = Place::new(
        "[env]\nclear = true\nunset = ['B*']\n\
         default = { PORT = '8080', GIVEN = 'no', EMPTY = 'filled' }\n\
         set = { URL = 'http://${HOST}:${PORT}/${SECRETLESS-none}', PATH = '/x:${PATH}', COST = '$$5' }\n\
         required = ['HOST']\n[exec]\ncmd = '/usr/bin/env'",
    );
    let run = place.run(&[]).env("HOST", "h").env("GIVEN", "yes").env("EMPTY", "").env("BAD", "1");
    let output = run.output();
    let mut lines: Vec<&str> = output.stdout.lines().collect();
    lines.sort_unstable();
    // GIVEN was cleared: what the file does not set is not passed on.
    assert_eq!(
        lines,
        [
            "COST=$5",
            "EMPTY=filled",
            "PATH=/x:/usr/local/bin:/usr/bin:/bin",
            "PORT=8080",
            "URL=http://h:8080/none",
        ],
        "{output:?}"
    );
}

#[test]
fn what_is_unset_by_a_glob_can_still_be_referred_to() {
    let place = Place::new(
        "[env]\nunset = ['PIP_*', 'OLD?']\nset = { INDEX = '${PIP_INDEX_URL}' }\n\
         [exec]\ncmd = '/usr/bin/env'",
    );
    let run = place.run(&[]).env("PIP_INDEX_URL", "u").env("OLD1", "1").env("OLD12", "2");
    let output = run.output();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines.contains(&"INDEX=u") && lines.contains(&"OLD12=2"), "{output:?}");
    assert!(!output.stdout.contains("PIP_") && !lines.contains(&"OLD1=1"), "{output:?}");
}

#[test]
fn variables_that_are_not_utf_8_are_passed_on_byte_for_byte() {
    let place = Place::new(
        "[env]\nset = { COPY = '<${ODD}>' }\n[exec]\ncmd = ['PROBE', 'variable', 'COPY']",
    );
    let run = place.run(&[]).env("ODD", OsStr::from_bytes(b"\xff\xfe")).output();
    assert_eq!(run.exit, Exit::Code(0), "{run:?}");
    assert!(run.stdout.contains("3cfffe3e"), "{run:?}");
    // Where text is needed it is an error, by name.
    let place = Place::new("[[wait]]\nfor = ['tcp://${ODD}:1']\n[exec]\ncmd = 'true'");
    let run = place.run(&[]).env("ODD", OsStr::from_bytes(b"h\xff")).output();
    refuses(&run, &["wait[0].for[0]: the variable ODD must be text here, and is not UTF-8"]);
    let place = Place::new("[exec]\ncmd = 'true'\nargs = [{ env = 'ODD', split = true }]");
    let run = place.run(&[]).env("ODD", OsStr::from_bytes(b"h\xff")).output();
    refuses(&run, &["exec.args[0]: the variable ODD cannot be split", "not UTF-8"]);
}

#[test]
fn arguments_come_from_variables_in_every_form() {
    let place = Place::new(
        "[exec]\ncmd = 'echo'\nargs = [\n\
         { opt = '--bind=', env = 'PORT', format = '0.0.0.0:{}' },\n\
         { opt = '--level', env = 'LEVEL', default = 'in${X}fo' },\n\
         { opt = '--none', env = 'NONE' },\n\
         { flag = '--reload', env = 'DEBUG' },\n\
         { flag = '--quiet', env = 'QUIET' },\n\
         { env = 'MODULE', required = true },\n\
         { env = 'EXTRA', split = true },\n\
         { opt = '-e', env = 'EACH', split = true, keep = true },\n\
         'last']",
    );
    let run = place.run(&[]).env("PORT", "80").env("X", "-").env("DEBUG", "Yes").env("QUIET", "0");
    let output = run.env("MODULE", "app").env("EXTRA", "a 'b c'").env("EACH", "1 2").output();
    prints(&output, "--bind=0.0.0.0:80 --level in-fo --reload app a b c -e 1 -e 2 last\n");
    refuses(
        &place.run(&[]).env("X", "").env("DEBUG", "perhaps").env("EACH", "'").output(),
        &[
            "exec.args[3]: the variable DEBUG says neither yes nor no",
            "exec.args[5]: Environment variable \"MODULE\" is required to determine an argument for program \"echo\"",
            "exec.args[7]: the variable EACH cannot be split into words",
        ],
    );
}

#[test]
fn a_variable_that_became_an_argument_is_gone_unless_it_is_kept() {
    let place = Place::new(
        "[exec]\ncmd = '/usr/bin/env'\nargs = [\n\
         { env = 'GONE', format = 'A={}' }, { env = 'KEPT', keep = true, format = 'B={}' }]\n\
         [[run]]\ncmd = ['sh', '-c', 'echo step sees $$GONE']",
    );
    let output = place.run(&[]).env("GONE", "1").env("KEPT", "2").output();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines.contains(&"step sees 1"), "{output:?}");
    assert!(lines.contains(&"KEPT=2") && lines.contains(&"A=1"), "{output:?}");
    assert!(!output.stdout.contains("GONE="), "{output:?}");
}

#[test]
fn a_named_command_inherits_the_top_and_overrides_it() {
    let place = Place::new(
        "workdir = '/usr'\n[env]\nset = { A = 'top', B = 'top' }\n[[run]]\ncmd = 'echo top'\n\
         [exec]\ncmd = ['sh', '-c', 'pwd; echo $$A $$B']\n\
         [command.other]\ncmd = ['sh', '-c', 'pwd; echo $$A $$B']\nworkdir = '/tmp'\n\
         env = { set = { B = 'own' } }\n[[command.other.run]]\ncmd = 'echo own'\n\
         [command.bare]\ncmd = 'pwd'\nskip = ['run']",
    );
    prints(&place.run(&[]).output(), "top\n/usr\ntop top\n");
    prints(&place.run(&["other"]).output(), "own\n/tmp\ntop own\n");
    prints(&place.run(&["bare"]).output(), "/usr\n");
}

#[test]
fn steps_run_in_order_and_a_failure_ends_the_boot_with_its_code() {
    let place = Place::new(
        "[[run]]\ncmd = 'echo one'\n[[run]]\ncmd = ['sh', '-c', 'exit 7']\n\
         [[run]]\ncmd = 'echo three'\n[exec]\ncmd = 'echo command'",
    );
    let output = place.run(&[]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(7), "one\n"), "{output:?}");
    assert!(output.stderr.contains("exit code 7"), "{output:?}");
}

#[test]
fn a_step_may_fail_where_the_file_says_so() {
    let place = Place::new(
        "[[run]]\ncmd = 'false'\nallow-failure = true\n[[run]]\ncmd = ['sh', '-c', 'kill -9 $$$$']\n\
         allow-failure = true\n[exec]\ncmd = 'echo command'",
    );
    let output = place.run(&[]).output();
    prints(&output, "command\n");
    assert_eq!(output.stderr.matches("going on").count(), 2, "{output:?}");
}

#[test]
fn a_step_that_takes_too_long_is_ended_with_all_it_started_and_the_code_is_124() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new(
        "[[run]]\ncmd = ['sh', '-c', 'echo began; sleep 1000 & sleep 1000; echo ended']\n\
         timeout = '200ms'\n[exec]\ncmd = 'echo command'",
    );
    let mut run = place.scene(&[]).start();
    run.says("began");
    assert_eq!(run.line(), None, "the pipe ends when all of the group have gone");
    assert_eq!(run.end(), Exit::Code(124));
    assert!(run.stderr().contains("did not end within 0.2 s"));
}

#[test]
fn signals_that_keep_coming_do_not_stop_the_clock_of_a_step() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new(
        "[[run]]\ncmd = ['bash', '-c', 'trap \"\" RTMIN; echo began; for i in 1 2 3 4; do while :; do kill -34 1; done & done; wait']\n\
         timeout = '200ms'\n[exec]\ncmd = 'echo command'",
    );
    let mut run = place.scene(&[]).start();
    run.says("began");
    assert_eq!(run.end(), Exit::Code(124));
}

#[test]
fn a_step_that_ignores_term_is_killed_when_its_grace_is_over() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new(
        "stop = { timeout = '100ms' }\n\
         [[run]]\ncmd = ['sh', '-c', 'trap \"\" TERM; echo began; while :; do sleep 1000; done']\n\
         timeout = '100ms'\n[exec]\ncmd = 'echo command'",
    );
    let mut run = place.scene(&[]).start();
    run.says("began");
    assert_eq!(run.line(), None);
    assert_eq!(run.end(), Exit::Code(124));
}

#[test]
fn a_signal_during_a_step_reaches_it_and_ends_the_boot() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new(
        "[[run]]\ncmd = ['PROBE', 'signals']\nallow-failure = true\n[exec]\ncmd = 'echo command'",
    );
    let mut run = place.scene(&[]).start();
    run.says("ready");
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.line(), None, "the command was not started");
    assert_eq!(run.end(), Exit::Code(128 + 15));
}

#[test]
fn orphans_of_a_step_are_reaped_while_it_runs() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new("[[run]]\ncmd = ['PROBE', 'orphans', '20']\n[exec]\ncmd = 'true'");
    let mut run = place.scene(&[]).start();
    run.until("ready");
    eventually("no zombie is left", || run.table().len() == 2);
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(128 + 15));
}

#[test]
fn steps_are_left_out_by_variables_and_by_who_we_are() {
    let place = Place::new(
        "[[run]]\ncmd = 'echo if'\nif-env = 'MIGRATE'\n[[run]]\ncmd = 'echo unless'\nunless-env = 'SKIP'\n\
         [[run]]\ncmd = 'echo root'\nwhen = 'root'\n[exec]\ncmd = 'echo command'",
    );
    let root = if support::kernel::is_root() { "root\n" } else { "" };
    let said = |text: &str| format!("{text}{root}command\n");
    prints(&place.run(&[]).output(), &said("unless\n"));
    prints(&place.run(&[]).env("MIGRATE", "1").env("SKIP", "1").output(), &said("if\n"));
    // Empty counts as unset.
    prints(&place.run(&[]).env("MIGRATE", "").env("SKIP", "").output(), &said("unless\n"));
    if able(Need::Root) {
        let output = place.scene(&[]).env("SKIP", "1").as_user(1234, 1234, &[]).output();
        prints(&output, "command\n");
    }
}

#[test]
fn a_step_has_user_directory_and_variables_of_its_own() {
    if !able(Need::Root) {
        return;
    }
    let place = Place::new(
        "user = '1234:1235'\nworkdir = '/usr'\n[env]\nset = { A = 'top' }\n\
         [[run]]\ncmd = ['sh', '-c', 'id -u; id -g; id -G; pwd; echo $$A $$HOME']\n\
         [[run]]\ncmd = ['sh', '-c', 'id -u; pwd; echo $$A $$B']\nuser = '0'\nworkdir = '/tmp'\n\
         env = { A = 'own', B = '${A}+' }\n\
         [exec]\ncmd = ['sh', '-c', 'id -u; echo $$A $$B']",
    );
    let output = place.run(&[]).output();
    prints(&output, "1234\n1235\n1235\n/usr\ntop /\n0\n/tmp\nown top+\n1234\ntop\n");
}

#[test]
fn a_stop_signal_replaces_term_and_int_and_nothing_else() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new("stop = { signal = 'USR2' }\n[exec]\ncmd = ['PROBE', 'signals', '12']");
    for asked in [libc::SIGTERM, libc::SIGINT] {
        let mut run = place.scene(&[]).start();
        run.says("ready");
        run.signal(libc::SIGHUP);
        run.says("signal 1");
        run.signal(asked);
        run.says("signal 12");
        assert_eq!(run.line(), None);
        assert_eq!(run.end(), Exit::Code(0));
    }
}

#[test]
fn after_the_stop_timeout_the_whole_group_is_killed() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new(
        "stop = { timeout = '200ms' }\n\
         [exec]\ncmd = ['sh', '-c', 'trap \"\" TERM; sleep 1000 & echo ready; while :; do wait; done']",
    );
    let mut run = place.scene(&[]).start();
    run.says("ready");
    run.signal(libc::SIGTERM);
    assert_eq!(run.line(), None, "the pipe ends when all of the group have gone");
    assert_eq!(run.end(), Exit::Code(128 + 9));
}

#[test]
fn secrets_come_from_the_variable_or_from_the_file_it_names() {
    let place = Place::new(
        "[secrets]\nDB_PASSWORD = { required = true }\nAPI_TOKEN = { file = 'HERE/token' }\n\
         NONE = {}\n[env]\nset = { URL = 'pg://u:${DB_PASSWORD}@h' }\n[exec]\ncmd = ['sh', '-c', \
         'echo $$URL $$API_TOKEN $${#DB_PASSWORD} $${DB_PASSWORD_FILE-gone} $${NONE-unset}']",
    );
    place.scratch.file("token", "t0ken\n\n");
    let password = place.scratch.file("password", "hunter2\n\n");
    let output = place.run(&[]).env("DB_PASSWORD_FILE", &password).env("DB_PASSWORD", "").output();
    prints(&output, "pg://u:hunter2@h t0ken 7 gone unset\n");
    let output = place.run(&[]).env("DB_PASSWORD", "xy").env("DB_PASSWORD_FILE", "").output();
    prints(&output, "pg://u:xy@h t0ken 2 gone unset\n");
    let both = place.run(&[]).env("DB_PASSWORD", "xy").env("DB_PASSWORD_FILE", &password).output();
    refuses(&both, &[":2:1: secrets.DB_PASSWORD: both DB_PASSWORD and DB_PASSWORD_FILE are set"]);
    place.scratch.file("password", "\n");
    let empty = place.run(&[]).env("DB_PASSWORD_FILE", &password).output();
    refuses(&empty, &["the secret DB_PASSWORD is required"]);
}

#[test]
fn secrets_are_read_before_privileges_are_dropped() {
    if !able(Need::Root) {
        return;
    }
    let place = Place::new(
        "user = '1234'\n[secrets]\nA_KEY = { file = 'HERE/key' }\n[exec]\ncmd = ['sh', '-c', 'id -u; echo $$A_KEY']",
    );
    mode(&place.scratch.file("key", "k"), 0o600);
    prints(&place.run(&[]).output(), "1234\nk\n");
    // Somebody else cannot, and is told what one needs to know.
    let output = place.scene(&[]).as_user(1234, 1234, &[]).output();
    refuses(
        &output,
        &[
            "secrets.A_KEY: cannot read",
            "permission denied",
            "has owner 0:0 and mode 0600",
            "this is 1234:1234",
        ],
    );
}

#[test]
fn a_venv_is_activated_for_steps_and_command() {
    let place =
        Place::new("venv = 'HERE/venv'\n[[run]]\ncmd = 'tool step'\n[exec]\ncmd = 'tool exec'");
    place.scratch.directory("venv/bin");
    place.scratch.executable("venv/bin/python", "#!/bin/sh\n");
    place.scratch.executable("venv/bin/tool", "#!/bin/sh\necho $1 $VIRTUAL_ENV\n");
    let venv = place.scratch.at("venv");
    prints(&place.run(&[]).output(), &format!("step {0}\nexec {0}\n", venv.display()));
    prints(&place.run(&["tool", "own"]).output(), &format!("own {}\n", venv.display()));
}

#[test]
fn waits_come_first_and_are_left_out_for_a_program_of_ones_own() {
    let place = Place::new(
        "[[wait]]\nfor = ['file://HERE/there', 'file://HERE/never']\ntimeout = '50ms'\n\
         [[run]]\ncmd = 'echo step'\n[exec]\ncmd = 'echo command'",
    );
    place.scratch.file("there", "");
    let output = place.run(&[]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(124), ""), "{output:?}");
    assert!(output.stderr.contains("/never") && !output.stderr.contains("/there"), "{output:?}");
    prints(&place.run(&["echo", "mine"]).output(), "mine\n");
    place.scratch.file("never", "");
    prints(&place.run(&[]).output(), "step\ncommand\n");
}

#[test]
fn cpus_and_memory_are_what_is_granted() {
    let place = Place::new("[exec]\ncmd = 'echo ${cpus} ${memory}'");
    let output = place.run(&[]).output();
    let numbers: Vec<u64> =
        output.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let all = std::thread::available_parallelism().unwrap().get() as u64;
    // available_parallelism rounds a quota down.
    assert!(numbers[0] == all || numbers[0] == all + 1, "{output:?}");
    assert!(numbers[1] > 1 << 20, "{output:?}");
}

#[test]
fn check_shows_each_step_and_starts_nothing() {
    let place = Place::new(
        "workdir = '/tmp'\nstop = { signal = 'QUIT', timeout = '25s' }\n\
         [env]\nunset = ['OLD']\nset = { URL = 'amqp://u:${MY_SECRET}@h/a b', PLAIN = '1' }\n\
         [[wait]]\nfor = ['http://u:${MY_SECRET}@h/x']\n\
         [[run]]\ncmd = ['touch', 'HERE/ran', 'a b']\ntimeout = 90\n[[run]]\ncmd = 'x'\nif-env = 'NO'\n\
         [exec]\ncmd = 'sh -c'\nargs = [{ env = 'MY_SECRET', keep = true }]",
    );
    let check = |words: &[&str]| {
        place
            .check(words)
            .env("MY_SECRET", "hunter2")
            .env("OLD", "1")
            .env("API_KEY", "k3y")
            .output()
    };
    let output = check(&["-x"]);
    assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""), "{output:?}");
    for part in [
        "touch ",
        "'a b'",
        "90 s",
        "NO is not set",
        "SIGQUIT",
        "25 s",
        "in /tmp",
        "- OLD",
        "+ PLAIN=1",
        "sh -c '***' -x",
    ] {
        assert!(output.stdout.contains(part), "no {part:?} in {}", output.stdout);
    }
    assert!(!output.stdout.contains("hunter2"), "{}", output.stdout);
    assert!(!place.scratch.at("ran").exists());

    for words in [&["-x", "--format", "json"][..], &["--format=json", "-x"]] {
        let output = check(words);
        assert!(!output.stdout.contains("hunter2") && !output.stdout.contains("k3y"));
        let plan: Value = serde_json::from_str(&output.stdout).unwrap();
        let kinds: Vec<&str> = plan["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["step"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["wait", "run", "skipped", "command"]);
        let command = &plan["steps"][3];
        assert_eq!(command["argv"], serde_json::json!(["sh", "-c", "***", "-x"]));
        assert_eq!(command["removed"], serde_json::json!(["OLD"]));
        assert_eq!(command["set"]["PLAIN"], "1");
        assert_eq!(command["set"]["URL"], "amqp://u:***@h/a b");
        assert_eq!(command["workdir"], "/tmp");
        assert_eq!(plan["steps"][1]["timeout"], 90);
    }
}

#[test]
fn the_argv_that_check_shows_can_be_pasted() {
    let place = Place::new(
        "[exec]\ncmd = ['printf', '<%s>', 'a b', \"it's\", '$$HOME', '*', '', 'tab\\there', \"x\\ny\"]",
    );
    let shown = place.check(&[]).output();
    let line = shown.stdout.lines().find(|line| line.contains("printf")).unwrap().trim();
    let pasted = std::process::Command::new("bash").args(["-c", line]).output().unwrap();
    let ran = place.run(&[]).output();
    assert_eq!(String::from_utf8_lossy(&pasted.stdout), ran.stdout);
    assert!(ran.stdout.contains("<it's><$HOME><*><>"), "{ran:?}");
}

#[test]
fn verbose_tells_each_step_and_which_were_left_out() {
    let place = Place::new(
        "[[run]]\ncmd = 'true'\n[[run]]\ncmd = 'true'\nif-env = 'NO'\n[exec]\ncmd = 'echo x'",
    );
    let output = place.run(&[]).env("PYDEXEC_VERBOSE", "1").output();
    prints(&output, "x\n");
    assert!(output.stderr.contains("skipping run \"true\": NO is not set"), "{output:?}");
    assert!(output.stderr.contains("started \"true\""), "{output:?}");
    let output =
        place.run(&["sh", "-c", "echo ${PYDEXEC_VERBOSE-gone}"]).env("PYDEXEC_VERBOSE", "0");
    let output = output.output();
    prints(&output, "gone\n");
    assert_eq!(output.stderr, "");
}

#[test]
fn one_liners_need_no_file() {
    let scratch = Scratch::new();
    let file = scratch.file("password", "hunter2\n");
    let output = plainly([
        "--secret",
        "DB_PASSWORD",
        "--run",
        "sh -c 'echo step $BIND $DB_PASSWORD'",
        "--opt-from-env",
        "--bind= BIND:-0.0.0.0:80",
        "--opt-from-env",
        "--level LEVEL",
        "--arg-from-env",
        "MODULE:-app",
        "--",
        "sh",
        "-c",
        "echo $0 $@ $DB_PASSWORD ${BIND-gone} ${DB_PASSWORD_FILE-gone}",
    ])
    .env("BIND", "x")
    .env("DB_PASSWORD_FILE", &file)
    .output();
    prints(&output, "step x hunter2\n--bind=x app hunter2 gone gone\n");
    // The same by the twins.
    let output = plainly(["--", "echo"])
        .env("PYDEXEC_SECRET", format!("A={}", file.display()))
        .env("PYDEXEC_RUN", "echo one\necho two")
        .env("PYDEXEC_OPT_FROM_ENV", "--level LEVEL:-info\n-n NUMBER")
        .env("PYDEXEC_ARG_FROM_ENV", "MODULE:?")
        .env("MODULE", "m")
        .output();
    prints(&output, "one\ntwo\n--level info m\n");
}

#[test]
fn a_step_of_a_one_liner_that_fails_ends_the_boot() {
    let output = plainly(["--run", "sh -c 'exit 9'", "--", "echo", "x"]).output();
    assert_eq!((output.exit, output.stdout.as_str()), (Exit::Code(9), ""), "{output:?}");
}

#[test]
fn one_liners_of_a_wrong_form_are_code_2() {
    for (words, said) in [
        (&["--secret", "=x", "--", "true"][..], "there is no name"),
        (&["--secret", "NOWHERE", "--", "true"], "the secret NOWHERE is not set"),
        (&["--secret", "A=/nonexistent/a", "--", "true"], "cannot read \"/nonexistent/a\""),
        (&["--run", "'", "--", "true"], "a quote that is not closed"),
        (&["--run", " ", "--", "true"], "names no program"),
        (&["--opt-from-env", "--bind", "--", "true"], "--opt-from-env is not of its form"),
        (&["--opt-from-env", "--bind A:x", "--", "true"], "--opt-from-env is not of its form"),
        (&["--arg-from-env", "A B", "--", "true"], "--arg-from-env is not of its form"),
        (&["--arg-from-env", "A:?", "--", "true"], "\"A\" is required"),
    ] {
        let output = plainly(words).output();
        assert_eq!(output.exit, Exit::Code(2), "{words:?}: {output:?}");
        assert!(output.stderr.contains(said), "{words:?}: {output:?}");
    }
}

#[test]
fn templates_are_written_with_mode_and_owner_before_the_steps() {
    let place = Place::new(
        "user = '1234:1235'\n[env]\nset = { NAME = 'x y' }\n\
         [[template]]\nsrc = 'HERE/in.j2'\ndest = 'HERE/new/out'\nmode = '0640'\nparents = true\n\
         [[template]]\nsrc = 'HERE/in.j2'\ndest = 'HERE/other'\nuser = '0:0'\n\
         [[run]]\ncmd = 'cat HERE/new/out'\n[exec]\ncmd = ['stat', '-c', '%a %u %g', 'HERE/new/out', 'HERE/other']",
    );
    // HOME is that of the user, as for the command.
    place.scratch.file("in.j2", "name={{ env.NAME }}{{ env.HOME }}\n");
    if !able(Need::Root) {
        return;
    }
    prints(&place.run(&[]).output(), "name=x y/\n640 1234 1235\n644 0 0\n");
    let shown = place.check(&[]).output();
    assert!(shown.stdout.contains("/new/out, mode 0640, owner 1234:1235"), "{shown:?}");
    // What is not defined is told before anything is done.
    place.scratch.file("in.j2", "\n{{ env.NOWHERE }}\n");
    std::fs::remove_file(place.scratch.at("other")).unwrap();
    refuses(&place.run(&[]).output(), &["template[0].src: template", "in.j2:2"]);
    assert!(!place.scratch.at("other").exists());
}

#[test]
fn the_file_in_the_readme_is_one() {
    let readme = include_str!("../README.md");
    let text = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // What only an image has.
    let text = text.replace("app:app", "1234:1235").replace("\"/app\"", "\"/\"");
    let place = Place::new(&text);
    for name in ["python", "gunicorn", "celery"] {
        place.scratch.executable(name, "#!/bin/sh\n");
    }
    let check = |words: &[&str]| {
        let output = place.check(words).env("DB_PASSWORD", "hunter2");
        output.env("PATH", format!("{}:/usr/bin:/bin", place.scratch.path().display())).output()
    };
    let output = check(&["--reload"]);
    assert_eq!((output.exit, output.stderr.as_str()), (Exit::Code(0), ""), "{output:?}");
    for part in ["tcp://db:5432", "/data", "migrate --noinput", "--bind=0.0.0.0:8080", "--reload"] {
        assert!(output.stdout.contains(part), "no {part:?} in {}", output.stdout);
    }
    assert!(!output.stdout.contains("hunter2"));
    let output = check(&["worker"]);
    assert!(output.stdout.contains("celery -A app worker"), "{output:?}");
    assert!(!output.stdout.contains("migrate"), "{output:?}");
}

#[test]
fn a_stop_timeout_costs_no_timer_while_nobody_stops() {
    if !able(Need::Namespaces) {
        return;
    }
    let place = Place::new("stop = { timeout = '100s' }\n[exec]\ncmd = ['PROBE', 'signals', '15']");
    let mut run = place.scene(&[]).start();
    run.says("ready");
    run.signal(libc::SIGHUP);
    run.says("signal 1");
    eventually("it waits without a timeout", || run.process.waits_for_ever());
    run.signal(libc::SIGTERM);
    run.says("signal 15");
    assert_eq!(run.end(), Exit::Code(0));
}

#[test]
fn requirements_have_in_the_file_what_they_have_as_options() {
    let place = Place::new(
        "[env]\nset = { PATH = 'HERE/bin:${PATH}' }\n\
         [requirements]\nfile = 'HERE/requirements.txt'\nwheelhouse = 'HERE/wheels'\n\
         site = 'HERE/site'\ninstaller = 'uv'\nkeep-cache = true\ntimeout = '9s'\n\
         [exec]\ncmd = 'true'\n",
    );
    place.scratch.directory("bin");
    place.scratch.directory("site");
    place.scratch.directory("wheels");
    place.scratch.file("requirements.txt", "a-package-that-nobody-has\n");
    // An installer that prints its arguments and succeeds.
    std::os::unix::fs::symlink(probe(), place.scratch.at("bin/uv")).unwrap();
    let here = place.scratch.path().display().to_string();
    let output = place.run(&[]).env("PYDEXEC_VERBOSE", "1").output();
    assert_eq!(output.exit, Exit::Code(0), "{output:?}");
    for part in ["pip install", "--no-index", &format!("--find-links {here}/wheels"), "--target"] {
        assert!(output.stdout.contains(part), "no {part:?} in {output:?}");
    }
    assert!(output.stdout.contains(&format!("{here}/site/")), "{output:?}");

    let wrong = Place::new(
        "[requirements]\ninstaller = 'conda'\nextras = ['test']\n[exec]\ncmd = 'true'\n",
    );
    let output = wrong.check(&[]).output();
    refuses(&output, &["requirements.installer", "requirements.extras[0]: extras are those of"]);
}
