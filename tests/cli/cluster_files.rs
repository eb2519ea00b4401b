//! A cluster's files as a user makes them, and the commands around them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage, anchor_from_trusted_cert};

use crate::support::taraflow;

fn run(arguments: &[&str]) -> Output {
    taraflow().args(arguments).output().unwrap()
}

/// What the command says on standard error, once its exit code is found to be `code`.
fn said(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// A directory that does not exist yet.
fn place() -> (tempfile::TempDir, String) {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("cluster").display().to_string();
    (parent, directory)
}

#[test]
fn init_makes_files_that_can_be_used_and_secrets_that_only_the_owner_can_read() {
    let (_parent, directory) = place();

    said(&["cluster", "init", "--dir", &directory, "--replicas", "5"], 0);

    for replica in 0..5 {
        let home = Path::new(&directory).join(format!("replica-{replica}"));
        let node = home.join("node.toml").display().to_string();
        assert_eq!(run(&["config", "check", "--config", &node]).stdout, b"ok\n");
        assert_eq!(mode(&home.join("key.pem")), 0o600);
        assert!(home.join("data").is_dir());
    }
    assert_eq!(mode(&Path::new(&directory).join("ca-key.pem")), 0o600);
    assert_eq!(mode(&Path::new(&directory).join("client-key.pem")), 0o600);
}

#[test]
fn init_writes_over_nothing() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory], 0);
    let cluster = Path::new(&directory).join("cluster.toml");
    let before = fs::read(&cluster).unwrap();

    let refused = said(&["cluster", "init", "--dir", &directory], 2);

    assert!(refused.contains("exists already"), "{refused}");
    assert_eq!(fs::read(&cluster).unwrap(), before);
}

#[test]
fn a_dry_run_names_what_init_makes_and_makes_nothing() {
    let (_parent, directory) = place();
    let dry = run(&["cluster", "init", "--dir", &directory, "--dry-run"]);
    assert!(!Path::new(&directory).exists());

    said(&["cluster", "init", "--dir", &directory], 0);

    let named = String::from_utf8(dry.stdout).unwrap();
    assert!(named.lines().all(|path| Path::new(path).exists()), "{named}");
    let mut made = 0;
    let mut left = vec![Path::new(&directory).to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            made += 1;
            // What is in there is the journal's own matter.
            if path.is_dir() && !path.ends_with("data") {
                left.push(path);
            }
        }
    }
    assert_eq!(named.lines().count(), made);
}

#[test]
fn certificates_are_those_of_their_cluster_and_replica_for_ten_years() {
    let ((_parent, one), (_other_parent, other)) = (place(), place());
    said(&["cluster", "init", "--dir", &one], 0);
    said(&["cluster", "init", "--dir", &other], 0);
    let certificate = |path: &str| {
        CertificateDer::from_pem_file(path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let verify = |path: &str, ca: &str, name: &str, years: u64| {
        let (ca, certificate) = (certificate(ca), certificate(path));
        let anchors = [anchor_from_trusted_cert(&ca).unwrap()];
        let end = EndEntityCert::try_from(&certificate).unwrap();
        let then = UnixTime::now().as_secs() + years * 365 * 86_400;
        let then = UnixTime::since_unix_epoch(Duration::from_secs(then));
        for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
            check(&end, &anchors, then, usage)?;
        }
        end.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap())
    };
    let (ca, cert) = (format!("{one}/ca.pem"), format!("{one}/replica-1/cert.pem"));

    verify(&cert, &ca, "replica-1.taraflow", 0).unwrap();
    verify(&cert, &ca, "replica-1.taraflow", 10).unwrap();
    verify(&format!("{one}/client.pem"), &ca, "client.taraflow", 0).unwrap();
    verify(&cert, &ca, "replica-2.taraflow", 0).unwrap_err();
    verify(&cert, &ca, "replica-1.taraflow", 11).unwrap_err();
    verify(&cert, &format!("{other}/ca.pem"), "replica-1.taraflow", 0).unwrap_err();
}

fn check(
    end: &EndEntityCert<'_>,
    anchors: &[TrustAnchor<'_>],
    then: UnixTime,
    usage: impl ExtendedKeyUsageValidator,
) -> Result<(), webpki::Error> {
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    end.verify_for_usage(algorithms, anchors, &[], then, usage, None, None).map(drop)
}

#[test]
fn a_replica_can_be_moved_with_its_directory_the_settings_and_the_authority() {
    let ((_parent, made), moved) = (place(), tempfile::tempdir().unwrap());
    said(&["cluster", "init", "--dir", &made], 0);
    fs::create_dir(moved.path().join("replica-2")).unwrap();
    for name in ["cluster.toml", "ca.pem", "replica-2/node.toml", "replica-2/cert.pem"] {
        fs::copy(Path::new(&made).join(name), moved.path().join(name)).unwrap();
    }
    let key = "replica-2/key.pem";
    fs::copy(Path::new(&made).join(key), moved.path().join(key)).unwrap();
    fs::rename(Path::new(&made).join("replica-2/data"), moved.path().join("replica-2/data"))
        .unwrap();
    fs::remove_dir_all(&made).unwrap();

    let node = moved.path().join("replica-2/node.toml").display().to_string();

    assert_eq!(run(&["config", "check", "--config", &node]).stdout, b"ok\n");
}

#[test]
fn config_says_where_each_value_came_from() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory, "--plain", "--memory"], 0);
    let node = format!("{directory}/replica-1/node.toml");

    let mut command = taraflow();
    command.args(["config", "print", "--origin", "--config", &node, "--log", "warn"]);
    let output = command.env("TARAFLOW_LIMITS_CLIENTS_MAX", "5").output().unwrap();

    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("memory "), format!("true {node}:5:1"));
    assert_eq!(line("log.level "), "warn --log");
    assert_eq!(line("limits.clients_max "), "5 TARAFLOW_LIMITS_CLIENTS_MAX");
    assert_eq!(line("limits.sessions_max "), "10000 default");
}

#[test]
fn wishes_that_contradict_the_cluster_are_refused() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory, "--base-port", "17000"], 0);
    let up = |option: &[&str]| said(&[&["cluster", "up", "--dir", &directory], option].concat(), 2);

    assert!(up(&["--replicas", "5"]).contains("has 3 replicas"));
    assert!(up(&["--base-port", "7000"]).contains("has base port 17000"));
    assert!(up(&["--memory"]).contains("keeps data"));
    assert!(up(&["--plain"]).contains("has keys"));
}

#[test]
fn a_taken_port_is_said_before_anything_is_made() {
    let (_parent, directory) = place();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let base = address.port().to_string();

    let refused = said(&["cluster", "up", "--dir", &directory, "--base-port", &base], 1);

    assert!(refused.contains(&format!("replica 0 cannot listen on {address}")), "{refused}");
    assert!(refused.contains("--base-port"), "{refused}");
    assert!(!Path::new(&directory).exists());
}

#[test]
fn nothing_that_runs_is_nothing_to_end() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory], 0);

    assert!(
        said(&["cluster", "down", "--dir", &directory], 0)
            .contains("no `taraflow cluster up` runs")
    );
}

#[test]
fn a_directory_without_a_cluster_is_refused_with_the_command_that_makes_one() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("my typo").display().to_string();
    for command in [&["cluster", "down"][..], &["cluster", "status"], &["status"]] {
        let text = said(&[command, &["--dir", &missing]].concat(), 2);
        assert!(text.contains("no cluster.toml"), "{text}");
        assert!(text.contains(&format!("cluster up --dir '{missing}'")), "{text}");
    }
    assert!(said(&["kv", "--dir", &missing, "get", "key"], 2).contains("no cluster.toml"));
}

#[test]
fn the_directory_comes_from_the_environment_or_is_the_usual_one() {
    let parent = tempfile::tempdir().unwrap();
    let run = |variable: Option<&str>, arguments: &[&str]| {
        let mut command = taraflow();
        command.args(arguments).current_dir(&parent).env_remove("TARAFLOW_DIR");
        command.envs(variable.map(|value| ("TARAFLOW_DIR", value))).output().unwrap()
    };
    assert!(run(None, &["cluster", "init", "--memory"]).status.success());
    assert!(parent.path().join("cluster/cluster.toml").exists());
    assert!(run(Some("other"), &["cluster", "init", "--memory"]).status.success());
    assert!(parent.path().join("other/cluster.toml").exists());

    assert!(run(Some("other"), &["cluster", "down"]).status.success());
    let check = ["config", "check", "--config", "other/replica-0/node.toml"];
    assert!(run(Some("other"), &check).status.success(), "it is no setting of a node");
    assert_eq!(run(Some("nowhere"), &["cluster", "down"]).status.code(), Some(2));
}

#[test]
fn a_variable_that_is_no_setting_is_refused() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory], 0);
    let node = format!("{directory}/replica-0/node.toml");

    let mut command = taraflow();
    command.args(["config", "check", "-o", "json", "--config", &node]);
    let output = command.env("TARAFLOW_CLIENTS_MAX", "5").output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], false);
    assert!(answer["error"].as_str().unwrap().contains("TARAFLOW_CLIENTS_MAX: not a setting"));
}

#[test]
fn client_keys_that_were_not_copied_are_named() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory], 0);
    fs::remove_file(Path::new(&directory).join("client.pem")).unwrap();

    let text = said(&["kv", "--dir", &directory, "get", "key"], 2);

    assert!(text.contains("there is no") && text.contains("client.pem"), "{text}");
    assert!(text.contains("copy client.pem and client-key.pem"), "{text}");
}

#[test]
fn hosts_may_be_names() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory, "--base-port", "48020"], 0);
    let path = Path::new(&directory).join("cluster.toml");
    let text = fs::read_to_string(&path).unwrap();
    // One that nobody knows here must not keep this node from starting.
    let text = text.replace("127.0.0.1:48120", "localhost:48120");
    fs::write(&path, text.replace("127.0.0.1:48121", "no-such-host.invalid:48121")).unwrap();

    let node = |replica: u16| format!("{directory}/replica-{replica}/node.toml");
    assert_eq!(run(&["config", "check", "--config", &node(0)]).stdout, b"ok\n");
    let text = said(&["config", "check", "--config", &node(1)], 1);
    assert!(text.contains("cannot look up no-such-host.invalid:48121"), "{text}");
    assert!(text.contains("listen.links"), "{text}");
}

/// What `config check` says of replica 0 in `directory`, which has to be the word of `node` as
/// well.
fn refused(directory: &str, code: i32) -> String {
    let node = format!("{directory}/replica-0/node.toml");
    let check = said(&["config", "check", "--config", &node], code);
    let run = said(&["node", "--log", "error", "--config", &node], code);
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(check, format!("taraflow: {}\n", run["message"].as_str().unwrap()));
    check
}

#[test]
fn keys_with_which_no_replica_starts_are_refused_by_the_check_of_its_settings() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory, "--base-port", "48000"], 0);
    let path = |name: &str| format!("{directory}/{name}");
    let key = path("replica-0/key.pem");
    let good = fs::read(&key).unwrap();

    fs::write(&key, "rubbish").unwrap();
    assert!(refused(&directory, 2).contains("key.pem: it holds no private key in PEM form"));
    fs::copy(path("replica-1/key.pem"), &key).unwrap();
    let text = refused(&directory, 2);
    assert!(text.contains("key.pem does not belong to the certificate"), "{text}");

    fs::copy(path("replica-1/cert.pem"), path("replica-0/cert.pem")).unwrap();
    let text = refused(&directory, 2);
    assert!(text.contains("is not replica-0.taraflow's, but replica-1.taraflow's"), "{text}");

    let (_other_parent, other) = place();
    said(&["cluster", "init", "--dir", &other], 0);
    fs::write(&key, good).unwrap();
    fs::copy(format!("{other}/replica-0/cert.pem"), path("replica-0/cert.pem")).unwrap();
    let text = refused(&directory, 2);
    assert!(text.contains("was not signed by the authority in"), "{text}");
    fs::write(path("ca.pem"), "").unwrap();
    let text = refused(&directory, 2);
    assert!(text.contains("ca.pem: it holds no certificate in PEM form"), "{text}");
}

#[test]
fn a_data_directory_with_which_no_replica_starts_is_refused_by_the_check_of_its_settings() {
    let (_parent, directory) = place();
    said(&["cluster", "init", "--dir", &directory, "--base-port", "48010"], 0);
    let data = Path::new(&directory).join("replica-0/data");

    fs::remove_dir_all(&data).unwrap();
    assert!(refused(&directory, 7).contains("data is not there"));
    fs::create_dir(&data).unwrap();
    assert!(refused(&directory, 7).contains("holds no journal"));

    fs::remove_dir(&data).unwrap();
    fs::rename(Path::new(&directory).join("replica-1/data"), &data).unwrap();
    let text = refused(&directory, 7);
    assert!(text.contains("holds the data of replica 1 of cluster"), "{text}");
    assert!(text.contains("restore this replica's own data"), "{text}");

    let node = Path::new(&directory).join("replica-0/node.toml");
    let text = fs::read_to_string(&node).unwrap();
    fs::write(&node, text.replace("data = \"data\"", "data = \"\"")).unwrap();
    assert!(refused(&directory, 2).contains("`data` must be a path"));
}
