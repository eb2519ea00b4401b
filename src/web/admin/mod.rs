//! The admin port: an HTTP API about one replica and its cluster.
//!
//! Whoever asks is served by a thread of its own and sees what the replica's thread has put on its
//! [`Board`](crate::observe::board::Board); nothing that happens here can hold the replica up. Without a token the port is for this machine
//! only. Every question is a GET; only an embedded cluster takes orders, with POST.

mod answer;
mod frames;
mod gauge;
mod guard;
mod history;
mod metrics;
mod node;
mod orders;
mod page;
mod process;
mod routes;
mod schema;
mod state;
mod stream;

use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::model::error::Error;

use guard::Guard;
use history::ServedHistory;
pub use metrics::{ALERTS, DASHBOARD};
pub use orders::{Order, OrderAction};
pub use state::{AdminConfig, Setting};
use stream::LongLived;

/// Connections at a time; one more waits for its turn.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Lines of a request's head.
const HEADERS_MAX: usize = 64;
/// How long a request may take to arrive.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long a stream of events may last; whoever wants more asks again.
const STREAMED_WITHIN: Duration = Duration::from_secs(3_600);
/// How long whoever reads a stream may take for what there is.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may last that carries one question.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// The port, taken and not yet served.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    runtime: Runtime,
}

impl Admin {
    /// Takes the port.
    ///
    /// # Errors
    /// [`Error::Listen`], or what the system refuses.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let fail = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(fail)?;
        listener.set_nonblocking(true).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
        Ok(Self { listener, address, runtime })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, on a thread that ends with the process.
    ///
    /// # Errors
    /// [`Error::Thread`], or what the system refuses.
    pub fn start(self, shown: AdminConfig) -> Result<(), Error> {
        let Self { listener, address, runtime } = self;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(Error::System)?
        };
        let replica = shown.config.me;
        let guard = Guard::new(address, shown.token.as_ref());
        gauge::keep(shown.data.clone(), shown.boards.clone()).map_err(Error::System)?;
        let (history, boards) = (Arc::new(ServedHistory::default()), shown.boards.clone());
        let router = guard.protect(routes::router(shown, Arc::clone(&history)));
        let serve = move || {
            runtime.spawn(history::keep(history, boards));
            runtime.block_on(serve(listener, router));
        };
        let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(serve);
        thread.map(drop).map_err(|source| Error::Thread { replica, source })
    }
}

async fn serve(listener: tokio::net::TcpListener, router: Router) {
    /// Most likely no file descriptor is left.
    const PAUSE: Duration = Duration::from_millis(100);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Nobody closes the semaphore.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Err(error) => {
                tracing::warn!(%error, "cannot accept a question");
                sleep(PAUSE).await;
            }
            Ok((socket, _)) => {
                let lasting = LongLived::default();
                let router = router.clone().layer(Extension(lasting.clone()));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(ASKED_WITHIN)
                    .max_headers(HEADERS_MAX)
                    .max_buf_size(HEAD_BYTES_MAX)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
                tokio::spawn(async move {
                    let mut connection = pin!(connection);
                    let (began, mut seen) = (Instant::now(), 0);
                    // However it ends, the one who asked knows more than we do.
                    let mut ended = timeout(ANSWERED_WITHIN, connection.as_mut()).await.is_ok();
                    while !ended && lasting.progress() > seen && began.elapsed() < STREAMED_WITHIN {
                        seen = lasting.progress();
                        ended = timeout(READ_WITHIN, connection.as_mut()).await.is_ok();
                    }
                    drop(place);
                });
            }
        }
    }
}
