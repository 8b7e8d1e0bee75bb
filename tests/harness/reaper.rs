//! Makes sure that no child process outlives this one, however this one ends.
//!
//! `Drop` does not run for a process that is killed, nor for values in statics. So one small shell
//! reads process ids from a pipe; when the pipe closes, whatever the reason, it stops them.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
trap '' INT TERM
pids=" "
while read -r operation pid; do
  case "$operation" in
    +) pids="$pids$pid " ;;
    -) pids="${pids%% "$pid" *} ${pids#* "$pid" }" ;;
  esac
done
[ -n "${pids# }" ] && kill -TERM $pids 2>/dev/null
exit 0
"#;

struct Reaper {
    pipe: ChildStdin,
    _shell: Child,
}

static REAPER: OnceLock<Option<Mutex<Reaper>>> = OnceLock::new();

/// Promises to stop `pid` when this process ends.
pub(crate) fn watch(pid: u32) {
    tell('+', pid);
}

/// Takes the promise back: the process has ended and its id may be given to another.
pub(crate) fn forget(pid: u32) {
    tell('-', pid);
}

fn tell(operation: char, pid: u32) {
    if let Some(reaper) = REAPER.get_or_init(start) {
        let mut reaper = reaper.lock().unwrap();
        // A broken pipe means that the shell is gone; `Drop` of the processes still works.
        writeln!(reaper.pipe, "{operation} {pid}")
            .and_then(|()| reaper.pipe.flush())
            .ok();
    }
}

fn start() -> Option<Mutex<Reaper>> {
    let mut shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let pipe = shell.stdin.take()?;
    Some(Mutex::new(Reaper {
        pipe,
        _shell: shell,
    }))
}
