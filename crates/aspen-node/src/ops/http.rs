//! As much of HTTP/1.1 (RFC 9112) as a monitoring system needs: one GET a connection, no body.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// How many bytes a request's head may have; ours need a tenth of it.
const REQUEST_HEAD_BYTES_MAX: usize = 8 * 1024;

/// How long a client may take over its request, and over reading the answer. Monitoring is near;
/// a slower client only holds a connection that another needs.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections are served at once; more are closed unanswered.
const CONNECTIONS_MAX: usize = 64;

/// How long to wait after a failed accept: it fails for want of file descriptors, at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: Status,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// The status lines in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    HeadTooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Response {
    /// An answer in words.
    fn text(status: Status, body: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{body}\n") }
    }

    fn into_bytes(self) -> Vec<u8> {
        let allow = if self.status == Status::MethodNotAllowed { "Allow: GET\r\n" } else { "" };
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
            self.status.line(),
            self.content_type,
            self.body.len(),
            self.body
        )
        .into_bytes()
    }
}

/// Answers a path; `None` when there is nothing there.
pub(crate) type Route = dyn Fn(&str) -> Option<Response> + Send + Sync;

/// Serves until the future is dropped.
pub(crate) async fn serve(listener: TcpListener, route: Arc<Route>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "operations listener cannot accept");
                runtime::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else { continue };
        let route = route.clone();
        runtime::spawn(async move {
            converse(stream, &*route, CLIENT_TIMEOUT).await;
            drop(slot);
        });
    }
}

/// Reads one request and answers it. What the client does wrong concerns only the client.
async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    route: &Route,
    client_timeout: Duration,
) {
    let response = match runtime::timeout(client_timeout, read_head(&mut stream)).await {
        Ok(Ok(head)) => answer(&head, route),
        Ok(Err(Some(refusal))) => refusal,
        Ok(Err(None)) => return,
        Err(_) => Response::text(Status::RequestTimeout, "the request took too long"),
    };
    let bytes = response.into_bytes();
    let write = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    let _ = runtime::timeout(client_timeout, write).await;
}

/// The bytes up to the empty line; an error without a response when the client went away.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Option<Response>> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return Err(None),
            Ok(len) => head.extend_from_slice(&chunk[..len]),
        }
        if head.len() > REQUEST_HEAD_BYTES_MAX {
            let text = format!("more than {REQUEST_HEAD_BYTES_MAX} bytes of request head");
            return Err(Some(Response::text(Status::HeadTooLarge, &text)));
        }
    }
    Ok(head)
}

fn answer(head: &[u8], route: &Route) -> Response {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&str> = std::str::from_utf8(line).unwrap_or_default().split(' ').collect();
    let [method, target, version] = words[..] else {
        return Response::text(Status::BadRequest, "the request line is malformed");
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Response::text(Status::BadRequest, "this is an HTTP/1.1 server");
    }
    if method != "GET" {
        return Response::text(Status::MethodNotAllowed, "only GET is served here");
    }
    let path = target.split('?').next().unwrap_or_default();
    route(path).unwrap_or_else(|| {
        Response::text(Status::NotFound, "there are /health, /ready and /metrics")
    })
}
