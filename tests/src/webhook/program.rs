//! The program as a child process: where it listens, what it says, whether it still runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PATIENCE;
use crate::ApiServer;
use crate::cmd;

/// How long an answer of the plain ports may take.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) struct Program {
    /// Not waited for: its id would be free for another process while the janitor remembers it.
    child: Child,
    log: PathBuf,
    /// By purpose, as the program says it.
    addresses: BTreeMap<String, SocketAddr>,
}

impl Program {
    /// Starts it, and reads from its log where it listens.
    pub(super) fn start(
        server: &ApiServer,
        name: &str,
        kubeconfig: &Path,
        command: &str,
        flags: &[&str],
    ) -> Self {
        let ports = ["--health-port", "0", "--metrics-port", "0"];
        let mut program = Command::new(cmd::webhook());
        program
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .arg(command)
            .args(["--address", "127.0.0.1"])
            .args(ports)
            .args(flags);
        let (child, log) = server.employ(name, &mut program);
        let mut started = Self {
            child,
            log,
            addresses: BTreeMap::new(),
        };
        let mut addresses = BTreeMap::new();
        started.wait("it to listen", || {
            addresses = started.listening();
            addresses.contains_key("metrics")
        });
        started.addresses = addresses;
        started
    }

    fn listening(&self) -> BTreeMap<String, SocketAddr> {
        let lines = self.lines();
        let sockets = lines.iter().filter(|line| line["message"] == "listening");
        let pair = |line: &Value| {
            let address = line["address"].as_str()?.parse().ok()?;
            Some((line["purpose"].as_str()?.to_owned(), address))
        };
        sockets.filter_map(pair).collect()
    }

    pub(super) fn port(&self, purpose: &str) -> u16 {
        self.addresses
            .get(purpose)
            .unwrap_or_else(|| panic!("it does not listen for {purpose}"))
            .port()
    }

    /// The body of an answer with status 200.
    pub(super) fn get(&self, purpose: &str, path: &str) -> Option<String> {
        let answer = self.exchange(purpose, path).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.0 200").then(|| body.to_owned())
    }

    fn exchange(&self, purpose: &str, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port(purpose)))?;
        stream.set_read_timeout(Some(ANSWER))?;
        // Version 1.0: the answer ends where the connection does.
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    pub(super) fn answers(&self, purpose: &str, path: &str) -> bool {
        self.get(purpose, path).is_some()
    }

    pub(super) fn logs(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it has logged. A line that is still being written is left out.
    pub(super) fn lines(&self) -> Vec<Value> {
        let lines = self.logs();
        let objects = lines.lines().map(serde_json::from_str);
        objects.filter_map(Result::ok).collect()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "sending {signal} to {id}"
        );
    }

    /// Whether it runs no more. It stays a zombie until the test ends.
    pub(super) fn has_ended(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let state = status.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_none_or(|state| state.starts_with(['Z', 'X']))
    }

    pub(super) fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(
                start.elapsed() < PATIENCE,
                "waited too long for {what}\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing can be done about one that is gone already.
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}
