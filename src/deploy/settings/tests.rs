use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::model::error::Error;

/// A directory with a cluster of three in it, and the files of its replica 0.
struct Files {
    directory: tempfile::TempDir,
    layers: Layers,
}

const CLUSTER: &str = r#"format = 1
id = "00000000000000ff"
protocol = "tara"

[[replicas]]
id = 0
links = "127.0.0.1:7100"
clients = "127.0.0.1:7000"
admin = "127.0.0.1:7200"

[[replicas]]
id = 1
links = "127.0.0.1:7101"
clients = "127.0.0.1:7001"
admin = "127.0.0.1:7201"

[[replicas]]
id = 2
links = "127.0.0.1:7102"
clients = "127.0.0.1:7002"
admin = "127.0.0.1:7202"

[limits]
suspect_after_ms = 500
"#;

const NODE: &str = "id = 0\ncluster = \"cluster.toml\"\nlinks = \"plain\"\n";

/// Knows one protocol.
fn tolerance(name: &str) -> Result<Tolerance, Error> {
    if name == "tara" {
        return Ok(Tolerance::Crash);
    }
    Err(Error::Protocol { name: name.to_owned(), known: "tara".to_owned() })
}

impl Files {
    fn new() -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap(), layers: Layers::default() };
        files.write("cluster.toml", CLUSTER);
        files.write("node.toml", NODE);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn node(&self, more: &str) {
        self.write("node.toml", &format!("{NODE}{more}"));
    }

    fn cluster(&self, from: &str, to: &str) {
        assert!(CLUSTER.contains(from));
        self.write("cluster.toml", &CLUSTER.replace(from, to));
    }

    fn flag(&mut self, name: &str, value: &str) {
        let flag = format!("--set {name}={value}");
        self.layers.flags.push((name.to_owned(), value.to_owned(), flag));
    }

    fn read(&self) -> (NodeSettings, Vec<Found>) {
        read(&self.path("node.toml"), &self.layers, tolerance).unwrap()
    }

    /// What is wrong, without the directory.
    fn problems(&self) -> Vec<String> {
        let Err(Error::Settings(problems)) = read(&self.path("node.toml"), &self.layers, tolerance)
        else {
            panic!("there is nothing wrong with the settings");
        };
        let directory = format!("{}/", self.directory.path().display());
        problems.0.iter().map(|problem| problem.to_string().replace(&directory, "")).collect()
    }

    fn problem(&self) -> String {
        let problems = self.problems();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].clone()
    }
}

#[test]
fn both_files_make_the_settings_of_a_node() {
    let files = Files::new();

    let (settings, _) = files.read();

    assert_eq!((settings.config.me.0, settings.config.n), (0, 3));
    assert_eq!(settings.config.suspect_after_ms, 500);
    assert_eq!(settings.identity().cluster, 255);
    assert_eq!(settings.data, Some(files.path("data")));
    assert_eq!(settings.listen.admin, "127.0.0.1:7200".parse().unwrap());
    assert_eq!(settings.peers[2], "127.0.0.1:7102".parse().unwrap());
    assert_eq!((settings.tls, settings.password), (None, None));
}

#[test]
fn an_unknown_setting_is_refused_with_the_one_that_was_meant() {
    let files = Files::new();
    files.node("\n[clients]\npasword_file = \"password\"\n");

    assert_eq!(
        files.problem(),
        "node.toml:6:1: unknown setting `clients.pasword_file`; did you mean \
         `clients.password_file`?"
    );
}

#[test]
fn an_unknown_setting_of_the_cluster_is_refused() {
    let files = Files::new();
    files.cluster("suspect_after_ms", "suspect_after");

    assert_eq!(
        files.problem(),
        "cluster.toml:24:1: unknown setting `limits.suspect_after`; did you mean \
         `limits.suspect_after_ms`?"
    );
}

#[test]
fn all_problems_are_said_at_once() {
    let files = Files::new();
    files.node("memory = \"yes\"\nwindow = 3\n[log]\nlevel = \"loud\"\n");
    files.cluster("suspect_after_ms = 500", "window = 10");

    let problems = files.problems();

    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert_eq!(problems[0], "node.toml:4:1: `memory` must be true or false");
    assert!(problems[1].contains("`log.level` must be"), "{problems:#?}");
    assert_eq!(problems[2], "node.toml:5:1: unknown setting `window`; remove it");
    assert!(problems[3].starts_with("cluster.toml:24:1: `window` must be"), "{problems:#?}");
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let files = Files::new();
    files.write("node.toml", "id = 0\ncluster = \n");

    assert!(files.problem().starts_with("node.toml:2:"), "{}", files.problem());
}

#[test]
fn the_nearest_layer_wins_and_is_named() {
    let mut files = Files::new();
    files.node("[limits]\nclients_max = 1\n");
    let value = |files: &Files| {
        let (settings, found) = files.read();
        let found = found.into_iter().find(|found| found.name == "limits.clients_max").unwrap();
        assert_eq!(found.value, settings.clients_max.to_string());
        (settings.clients_max, found.origin.to_string())
    };

    let place = format!("{}:5:1", files.path("node.toml").display());
    assert_eq!(value(&files), (1, place));
    let variable = "TARAFLOW_LIMITS_CLIENTS_MAX";
    files.layers.environment.insert(variable.to_owned(), "2".to_owned());
    assert_eq!(value(&files), (2, variable.to_owned()));
    files.flag("limits.clients_max", "3");
    assert_eq!(value(&files), (3, "--set limits.clients_max=3".to_owned()));
    files.layers = Layers::default();
    files.node("");
    assert_eq!(value(&files), (8_000, "default".to_owned()));
}

#[test]
fn an_unknown_setting_on_the_command_line_is_refused() {
    let mut files = Files::new();
    files.flag("log.levle", "debug");

    let said = "--set log.levle=debug: unknown setting `log.levle`; did you mean `log.level`?";
    assert_eq!(files.problem(), said);
}

#[test]
fn memory_from_the_command_line_overrules_a_directory_in_the_file() {
    let mut files = Files::new();
    files.node("data = \"here\"\n");
    files.flag("memory", "true");

    assert_eq!(files.read().0.data, None);
}

#[test]
fn a_file_that_asks_for_memory_and_a_directory_is_refused() {
    let files = Files::new();
    files.node("data = \"here\"\nmemory = true\n");

    let said = "node.toml:4:1: `memory` and `data` contradict each other: remove one";
    assert_eq!(files.problem(), said);
}

#[test]
fn plain_links_to_other_machines_are_refused() {
    let files = Files::new();
    files.cluster("127.0.0.1:7102", "10.0.0.3:7102");

    let said = files.problem();

    assert!(said.starts_with("node.toml:3:1: plain links"), "{said}");
    assert!(said.contains("10.0.0.3:7102") && said.contains("set tls.ca"), "{said}");
}

#[test]
fn links_without_keys_are_refused_unless_they_are_told_to_be_plain() {
    let files = Files::new();
    files.write("node.toml", "id = 0\ncluster = \"cluster.toml\"\n[tls]\nca = \"node.toml\"\n");

    let problems = files.problems();

    assert_eq!(problems.len(), 2, "{problems:#?}");
    assert!(problems[0].contains("`tls.cert` is missing"), "{problems:#?}");
    assert!(problems[1].contains("`tls.key` is missing"), "{problems:#?}");
}

#[test]
fn clients_from_other_machines_need_a_password() {
    let files = Files::new();
    files.node("[listen]\nclients = \"0.0.0.0:7000\"\n");
    assert!(files.problem().contains("set clients.password_file"), "{}", files.problem());

    files.node("[listen]\nclients = \"0.0.0.0:7000\"\n[clients]\npassword_file = \"password\"\n");
    files.write("password", "open sesame\n");
    assert_eq!(files.read().0.password.as_deref(), Some("open sesame"));
}

#[test]
fn redis_clients_are_served_unless_told_not_to() {
    let files = Files::new();
    assert!(files.read().0.redis);

    files.node("[clients]\nredis = false\n");
    assert!(!files.read().0.redis);
}

#[test]
fn the_admin_port_stays_on_this_machine() {
    let files = Files::new();
    files.node("[listen]\nadmin = \"0.0.0.0:7200\"\n");

    let said = files.problem();

    assert!(said.starts_with("node.toml:5:1: ") && said.contains("127.0.0.1:7200"), "{said}");
}

#[test]
fn the_admin_port_may_be_open_to_other_machines_with_a_token_that_cannot_be_guessed() {
    let files = Files::new();
    files.node("[listen]\nadmin = \"0.0.0.0:7200\"\n[admin]\ntoken_file = \"token\"\n");
    files.write("token", "short\n");
    assert!(files.problems()[0].contains("16 or more letters"), "{:?}", files.problems());

    files.write("token", "0123456789abcdef\n");
    let (settings, found) = files.read();
    assert_eq!(settings.token.as_deref(), Some("0123456789abcdef"));
    assert!(found.iter().all(|found| !found.value.contains("0123456789abcdef")));
}

#[test]
fn a_mistake_in_where_to_listen_is_said_once() {
    let files = Files::new();
    files.node("[listen]\nadmin = \"nowhere\"\n");
    assert!(files.problem().contains("`listen.admin` must be"), "{}", files.problem());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let files = Files::new();
    files.node("[clients]\npassword_file = \"password\"\n");
    files.write("password", "open sesame\n");
    fs::set_permissions(files.path("password"), fs::Permissions::from_mode(0o640)).unwrap();

    let said = files.problem();

    assert!(said.contains("mode 0640") && said.contains("chmod 600"), "{said}");
}

#[test]
fn an_empty_password_is_refused() {
    let files = Files::new();
    files.node("[clients]\npassword_file = \"password\"\n");
    files.write("password", "\n");

    assert!(files.problem().contains("no password"), "{}", files.problem());
}

#[test]
fn a_number_that_no_replica_has_is_refused() {
    let files = Files::new();
    files.write("node.toml", &NODE.replace("id = 0", "id = 3"));

    assert_eq!(files.problem(), "node.toml:1:1: there is no replica 3; the cluster has 0 to 2");
}

#[test]
fn two_replicas_with_one_address_are_refused() {
    let files = Files::new();
    files.cluster("127.0.0.1:7102", "127.0.0.1:7000");

    let said = files.problem();

    assert!(said.contains("`clients` of replica 0 and `links` of replica 2"), "{said}");
}

#[test]
fn replicas_on_machines_of_their_own_may_have_the_same_loopback_address() {
    let files = Files::new();
    let mut text = CLUSTER.to_owned();
    for replica in 0..3 {
        text = text.replace(&format!("127.0.0.1:710{replica}"), &format!("10.0.0.{replica}:7100"));
        text = text.replace(&format!("127.0.0.1:720{replica}"), "127.0.0.1:7200");
    }
    files.write("cluster.toml", &text);

    let cluster = ClusterSettings::read(&files.path("cluster.toml"), tolerance);

    assert_eq!(cluster.unwrap().0.replicas[2].admin, "127.0.0.1:7200".parse().unwrap());
}

#[test]
fn a_cluster_that_no_majority_protocol_can_use_is_refused() {
    let files = Files::new();
    let two = CLUSTER.find("[[replicas]]\nid = 2").unwrap();
    files.write("cluster.toml", &CLUSTER[..two]);

    assert!(files.problem().contains("2 replicas cannot be used"), "{}", files.problem());
}

#[test]
fn replicas_are_bound_to_what_the_replicated_state_depends_on_and_not_to_addresses() {
    let files = Files::new();
    let shared = files.read().0.shared;

    files.cluster("127.0.0.1:7102", "127.0.0.2:7102");
    assert_eq!(files.read().0.shared, shared);
    files.cluster("suspect_after_ms = 500", "sessions_max = 500");
    let other = files.read().0.shared;
    assert_eq!(other.binding["limits.sessions_max"], 500);
    assert_eq!(shared.binding["limits.sessions_max"], 10_000);
    assert_eq!(shared.other["limits.suspect_after_ms"], 500);
}

#[test]
fn numbers_out_of_their_range_are_refused_with_the_range() {
    let files = Files::new();
    files.node("[limits]\nclients_max = 0\n");
    assert_eq!(files.problem(), "node.toml:5:1: `limits.clients_max` must be from 1 to 1000000");
    files.node("[limits]\nclients_max = 99999999999\n");
    assert!(files.problem().contains("must be from 1 to 1000000"), "{}", files.problem());
    files.node("");

    for value in ["0", "3000000000"] {
        files.cluster("suspect_after_ms = 500", &format!("suspect_after_ms = {value}"));
        let said = "cluster.toml:24:1: `limits.suspect_after_ms` must be from 10 to 600000";
        assert_eq!(files.problem(), said);
    }
    for (name, value) in [
        ("tick_ms", "60000"),
        ("gossip_every_ms", "0"),
        ("retry_after_ms", "9999999"),
        ("checkpoint_bytes", "0"),
        ("batch_bytes_max", "0"),
        ("chunk_bytes", "99999999999"),
        ("client_window", "1000000"),
        ("sessions_max", "99999999999"),
        ("batches_in_flight", "0"),
    ] {
        files.cluster("suspect_after_ms = 500", &format!("{name} = {value}"));
        assert!(files.problem().contains("must be from"), "{name}: {}", files.problem());
    }
}

#[test]
fn a_limit_of_memory_is_none_or_at_least_a_mebibyte_and_binds_all_replicas() {
    let files = Files::new();
    let (settings, _) = files.read();
    assert_eq!(settings.config.memory_limit(), None);
    assert_eq!(settings.shared.binding["limits.memory_max"], 0);

    files.cluster("suspect_after_ms = 500", "memory_max = 1048576");
    let (settings, _) = files.read();
    assert_eq!(settings.config.memory_limit(), Some(1 << 20));
    assert_eq!(settings.shared.binding["limits.memory_max"], 1 << 20);

    files.cluster("suspect_after_ms = 500", "memory_max = 1048575");
    let said =
        "cluster.toml:24:1: `memory_max` must be at least 1048576 (1 MiB), or 0 for no limit";
    assert_eq!(files.problem(), said);
}

#[test]
fn a_path_that_is_empty_is_refused() {
    let mut files = Files::new();
    files.node("data = \"\"\n");
    assert_eq!(files.problem(), "node.toml:4:1: `data` must be a path, and is empty");

    files.node("");
    files.flag("clients.password_file", "");
    assert!(files.problem().contains("`clients.password_file` must be a path"));
}

#[test]
fn addresses_at_which_nobody_can_be_reached_are_refused() {
    let files = Files::new();
    files.cluster("127.0.0.1:7102", "127.0.0.1:0");
    assert!(files.problem().contains("port 0"), "{}", files.problem());

    files.cluster("127.0.0.1:7002", "0.0.0.0:7002");
    let said = files.problem();
    assert!(said.contains("0.0.0.0") && said.contains("listen.clients"), "{said}");
}

#[test]
fn a_setting_in_the_wrong_file_is_told_which_it_belongs_in() {
    let mut files = Files::new();
    files.flag("limits.window", "5");
    let said = "--set limits.window=5: `limits.window` belongs in cluster.toml, which is the same \
                on all nodes: write it there";
    assert_eq!(files.problem(), said);

    files.layers = Layers::default();
    files.cluster("suspect_after_ms = 500", "clients_max = 5");
    let said = "cluster.toml:24:1: `limits.clients_max` belongs in node.toml: write it there";
    assert_eq!(files.problem(), said);
}

#[test]
fn variables_of_the_environment_that_are_no_settings_are_refused() {
    let mut files = Files::new();
    let mut problem = |name: &str| {
        files.layers.environment = [(name.to_owned(), "5".to_owned())].into();
        files.problem()
    };
    assert_eq!(
        problem("TARAFLOW_LIMITS_CLIENT_MAX"),
        "TARAFLOW_LIMITS_CLIENT_MAX: not a setting; did you mean TARAFLOW_LIMITS_CLIENTS_MAX?"
    );
    assert!(problem("TARAFLOW_LIMITS_WINDOW").contains("belongs in cluster.toml"));
    assert!(problem("TARAFLOW_FROBNICATE").contains("remove it from the environment"));

    files.layers.environment =
        [("TARAFLOW_DIR", "x"), ("HOME", "y")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    files.read();
}
