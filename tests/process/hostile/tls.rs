//! Certificates that are not the right ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use taraflow::links::frame::{Inbox, Outbox};
use taraflow::links::hello::{Hello, HelloReply};
use taraflow::links::tls::name_of;
use taraflow::model::types::ReplicaId;

use super::caller::{Caller, Health, common};
use crate::support::{Cluster, PATIENCE, init, wait_until};

/// A certificate and its key.
type Papers = (PathBuf, PathBuf);

fn papers(directory: &Path, certificate: &str, key: &str) -> Option<Papers> {
    Some((directory.join(certificate), directory.join(key)))
}

/// Says `hello` to replica 0 with `papers`, and what came back; nothing when the connection was
/// ended without a word.
fn say(cluster: &Cluster, papers: Option<Papers>, hello: &Hello) -> Option<HelloReply> {
    let authority = cluster.directory().join("ca.pem");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let config = match papers {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap(),
    };
    let name = ServerName::try_from(name_of(ReplicaId(0))).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect_timeout(&cluster.links(0), PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let (mut outbox, mut inbox) = (Outbox::default(), Inbox::new(1 << 20));
    outbox.put(hello);
    let _ = stream.write_all(outbox.waiting());
    let mut piece = [0; 4096];
    loop {
        if let Some(payload) = inbox.next_frame().unwrap() {
            return Some(postcard::from_bytes(payload).unwrap());
        }
        match stream.read(&mut piece) {
            Ok(count @ 1..) => inbox.room().extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
}

#[test]
fn only_the_certificate_of_whom_one_says_to_be_opens_the_door() {
    let cluster = Cluster::start(3, &[]);
    let health = Health::of(&cluster);
    let home = cluster.directory();
    let foreign = tempfile::tempdir().unwrap();
    let foreign = foreign.path().join("cluster");
    init(&foreign, &[]);
    let client = Hello::of_client(None, None);
    let replica = |index| Hello::of_replica(ReplicaId(index), ReplicaId(0), &common(&cluster));
    let of_client = || papers(&home, "client.pem", "client-key.pem");
    let of_replica = || papers(&home, "replica-1/cert.pem", "replica-1/key.pem");

    assert!(say(&cluster, None, &client).is_none(), "without a certificate");
    let other = papers(&foreign, "client.pem", "client-key.pem");
    assert!(say(&cluster, other, &client).is_none(), "with one of another cluster");
    let other = papers(&foreign, "replica-1/cert.pem", "replica-1/key.pem");
    assert!(say(&cluster, other, &replica(1)).is_none(), "with one of another cluster");
    let told = [
        (say(&cluster, of_client(), &replica(1)), "not replica-1.taraflow's"),
        (say(&cluster, of_replica(), &replica(2)), "not replica-2.taraflow's"),
        (say(&cluster, of_replica(), &client), "not client.taraflow's"),
    ];
    for (answer, wanted) in told {
        let Some(HelloReply::Mismatch(why)) = answer else { panic!("let in: {wanted}") };
        assert!(why.contains(wanted), "{why}");
    }
    let mut plain = Caller::dial(cluster.links(0));
    plain.say(&client);
    plain.is_hung_up_on();
    assert!(matches!(say(&cluster, of_client(), &client), Some(HelloReply::Welcome { .. })));

    health.is_unharmed(&cluster);
    wait_until("the log says so", || cluster.log(0).contains("shows no certificate"));
}
