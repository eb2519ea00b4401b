//! A browser without a window, driven through chromedriver.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::machine::{self, Turn};

/// Options that keep the browser to itself: no network of its own, nothing kept, nothing asked.
const OPTIONS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// How long a page may take to show something on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A browser with one page, which takes what the machine has. It ends when it is dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
    _alone: Turn,
}

/// A window, whether the system is dark, and how many pixels of a picture one of the page becomes.
#[derive(Clone, Copy)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub dark: bool,
    pub scale: f64,
}

pub const LIGHT: Look = Look { width: 1280, height: 800, dark: false, scale: 1.0 };
pub const DARK: Look = Look { dark: true, ..LIGHT };
pub const WIDE: Look = Look { width: 1400, height: 900, ..LIGHT };
pub const NARROW: Look = Look { width: 1100, height: 800, ..LIGHT };
pub const SMALL: Look = Look { width: 800, height: 600, ..LIGHT };
/// Small enough for a file that is shown beside text.
pub const README: Look = Look { scale: 0.75, ..LIGHT };

impl Browser {
    pub fn start() -> Self {
        let alone = machine::alone();
        // It wants one port of IPv4 and IPv6, and ends if the one it got is taken in the other.
        let started = (0..10).find_map(|_| start_driver());
        let (driver, port) = started.expect("chromedriver names its port");
        let profile = tempfile::tempdir().unwrap();
        let directory = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = OPTIONS.into_iter().chain([directory.as_str()]).collect();
        let wanted = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let mut browser =
            Self { driver, port, session: String::new(), _profile: profile, _alone: alone };
        let begun =
            browser.ask("POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        browser.session = format!("/session/{}", begun["sessionId"].as_str().unwrap());
        browser.look(LIGHT);
        browser
    }

    /// Makes the window so large, and the system dark or not.
    pub fn look(&self, Look { width, height, dark, scale }: Look) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": false});
        self.tell("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if dark { "dark" } else { "light" };
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.tell("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    pub fn open(&self, url: &str) {
        self.command("/url", &json!({ "url": url }));
    }

    /// What an expression gives.
    pub fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression};");
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of the first element that a selector finds.
    pub fn text(&self, selector: &str) -> String {
        self.value(&text_of(selector)).as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key anywhere on the page.
    pub fn press(&self, key: &str) {
        let event = json!({"key": key, "bubbles": true, "cancelable": true});
        self.value(&format!("document.body.dispatchEvent(new KeyboardEvent('keydown', {event}))"));
    }

    /// Waits until an expression holds.
    pub fn wait(&self, expression: &str) -> Duration {
        let start = Instant::now();
        while self.value(expression) != json!(true) {
            assert!(start.elapsed() < PATIENCE, "not shown: {expression}; {}", self.text("body"));
            thread::sleep(Duration::from_millis(30));
        }
        start.elapsed()
    }

    /// Waits until the text of an element holds some words.
    pub fn wait_text(&self, selector: &str, words: &str) -> Duration {
        self.wait(&format!("{}.includes({words:?})", text_of(selector)))
    }

    /// Keeps a picture of the page under `target/screenshots`.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&directory).unwrap();
        // What has just changed is drawn a moment later.
        thread::sleep(Duration::from_millis(400));
        let picture = self.ask("GET", &format!("{}/screenshot", self.session), &Value::Null);
        let path = directory.join(format!("{name}.png"));
        fs::write(&path, decoded(picture.as_str().unwrap())).unwrap();
        path
    }

    /// All that the page or the browser complained of, but for connections that were lost.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter().map(|entry| entry["message"].to_string());
        lines.filter(|line| !line.contains("net::ERR_")).collect()
    }

    fn tell(&self, command: &str, parameters: &Value) {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}{path}", self.session), body)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = request(self.port, method, path, &body).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = &answer["value"];
        assert!(value.get("error").is_none_or(Value::is_null), "{path}: {value}");
        value.clone()
    }
}

/// Starts the driver on a port that it finds; none if it ended without naming one.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromedriver is not installed");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let port = line.split("successfully on port ").nth(1)?.trim_end_matches('.');
        port.parse().ok()
    });
    let Some(port) = port else {
        driver.wait().unwrap();
        return None;
    };
    // Whatever else it says must find a reader.
    thread::spawn(move || lines.count());
    Some((driver, port))
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session; a driver that is killed leaves it behind.
        let _ = request(self.port, "DELETE", &self.session, "");
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Asks the driver, which leaves connections open.
fn request(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all((head + body).as_bytes())?;
    let mut reader = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(answer)
}

/// An expression for the text of an element; those of pictures know no other.
fn text_of(selector: &str) -> String {
    format!(
        "(found => found?.innerText ?? found?.textContent ?? '')(document.querySelector({selector:?}))"
    )
}

/// Reads base64.
fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
