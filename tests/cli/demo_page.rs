//! `taraflow demo --open`: a cluster whose replicas are killed and restarted from its page.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

use crate::support::site::Ports;
use crate::support::{PATIENCE, taraflow, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

struct Demo {
    process: Child,
    address: SocketAddr,
    _ports: Ports,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Demo {
    fn start() -> Self {
        let ports = Ports::free(3);
        let port = ports.base;
        let mut command = taraflow();
        command.args(["demo", "--open", "--port", &port.to_string()]).env_remove("DISPLAY");
        let process = command.stderr(Stdio::null()).spawn().unwrap();
        let demo = Self { process, address: ([127, 0, 0, 1], port).into(), _ports: ports };
        wait_until("it answers", || demo.ask("GET", "/v1/scene", "").is_some());
        demo
    }

    /// The code and the body of an answer.
    fn ask(&self, method: &str, path: &str, more: &str) -> Option<(u16, String)> {
        let address = self.address;
        let mut socket = TcpStream::connect(address).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(socket, "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let code = answer.split(' ').nth(1)?.parse().ok()?;
        Some((code, answer.split_once("\r\n\r\n")?.1.to_owned()))
    }

    fn scene(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "/v1/scene", "").unwrap().1).unwrap()
    }

    fn order(&self, path: &str, more: &str) -> u16 {
        self.ask("POST", path, more).unwrap().0
    }
}

#[test]
fn a_leader_that_is_killed_from_the_page_is_replaced_and_comes_back() {
    let mut demo = Demo::start();
    wait_until("replica 0 leads and requests are executed", || {
        let status = &demo.scene()["replicas"][0]["frame"]["status"];
        status["role"] == "leader" && status["requests"].as_u64() > Some(100)
    });
    let index = demo.ask("GET", "/v1", "").unwrap().1;
    assert!(index.contains("/v1/replicas/{replica}/kill"), "{index}");

    assert_eq!(demo.order("/v1/replicas/0/kill", ""), 204);
    wait_until("another leads, and what is wrong is said", || {
        let scene = demo.scene();
        let leads = (1..3).any(|at| scene["replicas"][at]["frame"]["status"]["role"] == "leader");
        leads && scene["findings"][0]["text"] == "replica 0 does not take part: it has ended"
    });
    assert_eq!(demo.order("/v1/replicas/0/restart", ""), 204);
    wait_until("nothing is wrong", || demo.scene()["findings"].as_array().unwrap().is_empty());

    let pid = Pid::from_child(&demo.process);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(demo.process.wait().unwrap().code(), Some(0));
}

#[test]
fn orders_of_other_sites_and_orders_that_make_no_sense_are_refused() {
    let demo = Demo::start();
    let elsewhere = "Origin: http://example.org\r\n";
    assert_eq!(demo.order("/v1/replicas/0/kill", elsewhere), 403);
    assert_eq!(demo.order("/v1/replicas/9/kill", ""), 404);
    assert_eq!(demo.order("/v1/replicas/0/explode", ""), 404);
    assert_eq!(demo.order("/v1/replicas/x/kill", ""), 400);
    assert_eq!(demo.order("/v1/status", ""), 405);
    assert_eq!(demo.ask("GET", "/v1/replicas/0/kill", "").unwrap().0, 405);
    wait_until("nothing has happened", || demo.scene()["findings"].as_array().unwrap().is_empty());
}
