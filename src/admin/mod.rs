//! The admin port: questions about one replica, answered over HTTP.
//!
//! Whoever asks is served by a thread of its own and sees what the replica's thread has put on its
//! [`Board`]; nothing that happens here can hold the replica up. For now the port is for this machine
//! only, and every question is a GET: nothing can be changed through it.

mod guard;
mod page;
mod questions;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::error::Error;
use crate::server::Board;
use crate::settings::NodeSettings;

/// Connections at a time; one more waits for its turn.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Lines of a request's head.
const HEADERS_MAX: usize = 64;
/// How long a request may take to arrive.
const ASKED_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may last, which carries one question.
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

    /// Answers from now on, on a thread that ends with the process.
    ///
    /// # Errors
    /// [`Error::Thread`], or what the system refuses.
    pub fn start(self, settings: &NodeSettings, board: Board) -> Result<(), Error> {
        let Self { listener, address, runtime } = self;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(Error::System)?
        };
        let router = guard::around(questions::router(settings, board), address);
        let serve = move || runtime.block_on(serve(listener, router));
        let replica = settings.config.me;
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
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(ASKED_WITHIN)
                    .max_headers(HEADERS_MAX)
                    .max_buf_size(HEAD_BYTES_MAX)
                    .keep_alive(false)
                    .serve_connection(
                        TokioIo::new(socket),
                        TowerToHyperService::new(router.clone()),
                    );
                tokio::spawn(async move {
                    // However it ends, the one who asked knows more than we do.
                    let _ = timeout(ANSWERED_WITHIN, connection).await;
                    drop(place);
                });
            }
        }
    }
}
