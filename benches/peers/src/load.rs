//! Clients that each wait for the answer before they ask again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Clients that share a connection to etcd, which is how its own benchmark treats it best.
const CLIENTS_PER_CHANNEL: usize = 16;
/// Keys that are written; as many as there is room for in a processor's cache are of no interest.
const KEYS: u64 = 100_000;
/// What is not counted: connections, caches, the first view.
const WARM_UP: Duration = Duration::from_millis(500);

/// What a server speaks.
#[derive(Clone, Copy)]
pub enum Speaks {
    Redis,
    Etcd,
}

/// What was measured.
#[derive(Clone, Copy)]
pub struct Figures {
    pub per_second: f64,
    pub p50_us: u64,
    pub p99_us: u64,
}

/// `clients` of them, spread over `servers`.
pub fn closed_loop(
    servers: &[SocketAddr],
    speaks: Speaks,
    clients: usize,
    lasting: Duration,
) -> Figures {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system lets it wait for sockets").block_on(async {
        let begin = Instant::now() + WARM_UP;
        let mut tasks = JoinSet::new();
        let mut channels = Vec::new();
        for client in 0..clients {
            let server = servers[client % servers.len()];
            match speaks {
                Speaks::Redis => {
                    tasks.spawn(redis(server, client as u64, begin, lasting));
                }
                Speaks::Etcd => {
                    if client % CLIENTS_PER_CHANNEL == 0 {
                        let server = servers[channels.len() % servers.len()];
                        channels.push(channel(server).await);
                    }
                    let channel = channels[channels.len() - 1].clone();
                    tasks.spawn(etcd(channel, client as u64, begin, lasting));
                }
            }
        }
        let mut all = histogram();
        while let Some(times) = tasks.join_next().await {
            all.add(times.expect("no client fails")).expect("they are alike");
        }
        Figures {
            per_second: all.len() as f64 / lasting.as_secs_f64(),
            p50_us: all.value_at_quantile(0.5),
            p99_us: all.value_at_quantile(0.99),
        }
    })
}

/// Microseconds up to ten seconds.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 10_000_000, 3).expect("the bounds are sound")
}

/// Times of one client, while they count.
struct Times {
    begin: Instant,
    end: Instant,
    times: Histogram<u64>,
}

impl Times {
    fn new(begin: Instant, lasting: Duration) -> Self {
        let times = histogram();
        Self { begin, end: begin + lasting, times }
    }

    /// Notes a request; says whether to go on.
    fn note(&mut self, asked: Instant) -> bool {
        let now = Instant::now();
        if asked >= self.begin && now <= self.end {
            self.times.saturating_record((now - asked).as_micros() as u64);
        }
        now < self.end
    }
}

/// The n-th key of a client, 16 bytes.
fn key(client: u64, n: u64) -> String {
    format!("key:{:012}", (client * 7919 + n * 104_729) % KEYS)
}

const VALUE: &[u8; 16] = b"0123456789abcdef";

async fn redis(
    server: SocketAddr,
    client: u64,
    begin: Instant,
    lasting: Duration,
) -> Histogram<u64> {
    let mut socket = TcpStream::connect(server).await.expect("it listens");
    socket.set_nodelay(true).expect("it is a socket");
    let mut times = Times::new(begin, lasting);
    let (mut command, mut reply) = (Vec::new(), [0; 5]);
    for n in 0.. {
        command.clear();
        command.extend_from_slice(b"*3\r\n$3\r\nSET\r\n$16\r\n");
        command.extend_from_slice(key(client, n).as_bytes());
        command.extend_from_slice(b"\r\n$16\r\n");
        command.extend_from_slice(VALUE);
        command.extend_from_slice(b"\r\n");
        let asked = Instant::now();
        socket.write_all(&command).await.expect("it is there");
        socket.read_exact(&mut reply).await.expect("it answers");
        assert_eq!(&reply, b"+OK\r\n");
        if !times.note(asked) {
            break;
        }
    }
    times.times
}

/// `etcdserverpb.PutRequest`, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct Put {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.PutResponse`, of which nothing is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct PutDone {}

async fn channel(server: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{server}")).expect("it is an address");
    endpoint.tcp_nodelay(true).connect().await.expect("it listens")
}

async fn etcd(channel: Channel, client: u64, begin: Instant, lasting: Duration) -> Histogram<u64> {
    let mut grpc = Grpc::new(channel);
    let mut times = Times::new(begin, lasting);
    for n in 0.. {
        let put = Put { key: key(client, n).into_bytes(), value: VALUE.to_vec() };
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let asked = Instant::now();
        grpc.ready().await.expect("it is there");
        let codec = ProstCodec::<Put, PutDone>::default();
        grpc.unary(tonic::Request::new(put), path, codec).await.expect("it answers");
        if !times.note(asked) {
            break;
        }
    }
    times.times
}
