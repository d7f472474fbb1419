//! `cargo xtask lab` as somebody types it, against a real lab of one node.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail where the test does"
)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::{self, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use netdoctor_lab::{Spec, requirements};
use serde_json::Value;

/// A lab of this test, which is ended also when the test fails.
struct Cli {
    name: String,
    folder: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        Self {
            name: format!("cli-{}", process::id()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn output(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["lab", "--name", &self.name])
            .args(line.split(' '))
            .current_dir(self.folder.path());
        command
    }

    /// What a command printed, which had to succeed.
    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let output = self.output(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command said that had to fail with this code.
    #[track_caller]
    fn fails(&self, code: i32, line: &str) -> String {
        let output = self.output(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        // The test has ended the lab itself unless it has failed, which is what has to be heard of.
        let _ = self.output("down");
    }
}

#[track_caller]
fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "no `{part}` in\n{text}");
}

#[test]
fn a_lab_is_started_looked_at_broken_healed_and_ended() {
    if let Err(error) = requirements::check(&Spec::default()) {
        assert!(env::var_os("CI").is_none(), "{error:#}");
        eprintln!("skipped: {error:#}");
        return;
    }
    let lab = Cli::new();
    contains(&lab.fails(1, "kubectl get nodes"), "is running");

    let folder = Path::new("/run/netdoctor-lab").join(&lab.name);
    let mut nowhere = lab.command("up --nodes 1");
    let refused = nowhere.env("NETDOCTOR_LAB_LOGS", "/dev/null").output();
    let refused = String::from_utf8(refused.unwrap().stderr).unwrap();
    contains(&refused, "/dev/null/cli-");
    assert!(!folder.exists());

    let up = lab.ok("up --nodes 1");
    contains(&up, &format!("{}: --nodes 1 --overlay vxlan", lab.name));
    contains(&lab.ok("up --nodes 1"), "node-1");
    contains(&lab.fails(1, "up --nodes 2"), "other settings");

    programs(&lab);
    logs(&lab);
    faults(&lab);

    lab.ok("down");
    assert!(!folder.exists());
    lab.ok("down");
    contains(
        &lab.fails(1, "status"),
        &format!("lab up --name {}", lab.name),
    );
}

/// Exit codes, files of the current folder and terminals are those of the program that runs inside.
fn programs(lab: &Cli) {
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: here}}";
    fs::write(lab.folder.path().join("map.yaml"), map).unwrap();
    assert_eq!(
        lab.ok("kubectl apply -f map.yaml"),
        "configmap/here created\n"
    );
    contains(
        &lab.fails(1, "kubectl get nothing-of-that-kind"),
        "error: the server doesn't have",
    );
    contains(
        &lab.ok("kubectl --help"),
        "kubectl controls the Kubernetes cluster manager",
    );

    assert_eq!(lab.ok("shell node-1 hostname"), "node-1\n");
    fs::write(lab.folder.path().join("seven"), "exit 7\n").unwrap();
    lab.fails(
        7,
        &format!("shell node-1 sh {}/seven", lab.folder.path().display()),
    );
    contains(&lab.fails(1, "shell node-2"), "has no node-2");
    let line = format!(
        "{} lab --name {} shell node-1 tty",
        env!("CARGO_BIN_EXE_xtask"),
        lab.name
    );
    let terminal = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .output()
        .unwrap();
    contains(&String::from_utf8_lossy(&terminal.stdout), "/dev/pts/");
}

fn logs(lab: &Cli) {
    contains(&lab.ok("logs node-1 kubelet"), "Kubelet version");
    contains(&lab.ok("logs"), "control-plane-etcd.log");
    let error = lab.fails(1, "logs node-1 etcd");
    contains(&error, "no log of etcd on node-1");
    contains(&error, "node-1-kubelet.log");
    contains(&lab.fails(1, "logs node-2"), "no logs of node-2");
}

fn faults(lab: &Cli) {
    contains(&lab.fails(1, "break forwad-drop"), "node/forward-drop");
    contains(&lab.fails(1, "break forward-drop --node 5"), "no node-5");
    assert_eq!(witnessed(lab), "+");

    lab.ok("break forward-drop --node 1");
    assert_eq!(witnessed(lab), "x");
    contains(&lab.ok("status"), "broken  node/forward-drop");
    contains(&lab.ok("faults"), "* node/forward-drop");
    contains(&lab.ok("witness"), "node/forward-drop is in");
    contains(
        &lab.fails(1, "break ip-forward-off --node 1"),
        "node/forward-drop",
    );

    contains(
        &lab.fails(1, "break route-missing"),
        "needs one with --overlay host-gw",
    );
    contains(&lab.ok("heal ip-forward-off"), "is not in");
    contains(&lab.ok("heal"), "node/forward-drop: healed");
    contains(&lab.ok("heal"), "nothing is broken");
    half_a_fault(lab);
    assert_eq!(witnessed(lab), "+");
}

/// An injection that was broken off is not taken for a fault that is in.
fn half_a_fault(lab: &Cli) {
    let mut command = lab.command("break kubelet-dead --node 1");
    let mut half = command.stdout(Stdio::null()).spawn().unwrap();
    let file = Path::new("/run/netdoctor-lab")
        .join(&lab.name)
        .join("broken.json");
    while !file.exists() {
        assert!(half.try_wait().unwrap().is_none(), "it ended at once");
        thread::sleep(Duration::from_millis(5));
    }
    half.kill().unwrap();
    half.wait().unwrap();
    contains(&lab.ok("status"), "half-way");
    contains(
        &lab.fails(1, "break kubelet-dead --node 1"),
        "heal it first",
    );
    contains(&lab.ok("heal"), "node/kubelet-dead: healed");
}

/// Whether a pod reaches another one on the same node.
fn witnessed(lab: &Cli) -> String {
    let table: Value = serde_json::from_str(&lab.ok("witness -o json")).unwrap();
    table["ipv4"]["node-1"]["S"].as_str().unwrap().to_owned()
}
