#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{REQUEST_HEAD_BYTES_MAX, Response, Status, converse, serve};

fn route(path: &str) -> Option<Response> {
    (path == "/health").then(|| Response::text(Status::Ok, "well"))
}

/// What the server says to `request`, when the client then waits.
async fn said(request: &[u8], client_timeout: Duration) -> String {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    client.write_all(request).await.unwrap();
    converse(server, &route, client_timeout).await;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn said_at_once(request: &[u8]) -> String {
    said(request, Duration::from_secs(60)).await
}

#[tokio::test]
async fn a_get_is_answered() {
    let answer = said_at_once(b"GET /health?verbose HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Content-Length: 5\r\n") && answer.ends_with("well\n"), "{answer}");
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let answer = said_at_once(b"GET /etc/passwd HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test]
async fn other_methods_are_refused() {
    let answer = said_at_once(b"POST /health HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("Allow: GET"), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for request in [
        "\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET / x HTTP/1.1\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n",
        "GET / FTP/1\r\n\r\n",
    ] {
        let answer = said_at_once(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer}");
    }
    let answer = said_at_once(b"\xff\xfe\x00 / HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let mut request = b"GET /health HTTP/1.1\r\nX: ".to_vec();
    request.resize(REQUEST_HEAD_BYTES_MAX + 1, b'a');
    let answer = said_at_once(&request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_slow_client_is_told_so() {
    let answer = said(b"GET /hea", Duration::from_millis(10)).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_is_forgotten() {
    let (client, server) = tokio::io::duplex(1024);
    drop(client);
    converse(server, &route, Duration::from_secs(60)).await;
}

#[tokio::test]
async fn many_clients_are_served_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = runtime::spawn(serve(listener, Arc::new(route)));
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    server.abort();
}
