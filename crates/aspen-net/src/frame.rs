//! The frames of the handshakes: a length (4 bytes, little-endian), then the encoded value. What
//! follows a handshake is irpc's.

use std::io;

use aspen_core::codec;
use iroh::endpoint::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest frame from someone who has proved nothing yet, in bytes: room for a hello, too
/// little to hold memory with.
pub(crate) const STRANGER_FRAME_BYTES_MAX: usize = 4 * 1024;

/// The longest frame after a proof, in bytes: the registry of 10,000 nodes.
pub(crate) const PROVED_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

const _: () = assert!(STRANGER_FRAME_BYTES_MAX < PROVED_FRAME_BYTES_MAX);
const _: () = assert!(PROVED_FRAME_BYTES_MAX < aspen_core::MESSAGE_BYTES_MAX);

/// Writes one frame.
pub(crate) async fn write_frame<T: Serialize>(send: &mut SendStream, value: &T) -> io::Result<()> {
    let body = codec::encode(value).map_err(io::Error::other)?;
    let len = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&len.to_le_bytes());
    frame.extend_from_slice(&body);
    send.write_all(&frame).await.map_err(io::Error::from)
}

/// Reads one frame of at most `bytes_max` bytes.
pub(crate) async fn read_frame<T: DeserializeOwned>(
    recv: &mut RecvStream,
    bytes_max: usize,
) -> io::Result<T> {
    let mut len = [0; 4];
    recv.read_exact(&mut len).await.map_err(io::Error::other)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > bytes_max {
        let text = format!("frame of {len} bytes exceeds the limit of {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    let mut body = vec![0; len];
    recv.read_exact(&mut body).await.map_err(io::Error::other)?;
    codec::decode(&body).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
