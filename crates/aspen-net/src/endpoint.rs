//! Opens the QUIC endpoint with the configuration that was measured to work.

use std::net::SocketAddr;
use std::time::Duration;

use aspen_core::EndpointKey;
use iroh::endpoint::{
    Builder, IdleTimeout, PortmapperConfig, QuicTransportConfig, VarInt, presets,
};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, RelayUrl, TransportAddr};

use crate::address::ADDRESSES_PER_PEER_MAX;
use crate::options::{bind_address, invalid};
use crate::{BindError, InvalidNetOptions, NetTimings, PeerAddress, Reach, SecretKey};

/// How many streams a peer may hold open on a connection; every request is one. The library's
/// default of 100 throttles 256 concurrent calls.
const STREAMS_MAX: u32 = 4096;

/// The round trip assumed before the first measurement. The default of 333 ms delays the first
/// retransmission to a second.
const INITIAL_RTT: Duration = Duration::from_millis(5);

/// A builder that publishes nowhere and listens only where it is told.
pub(crate) fn builder(
    secret: &SecretKey,
    listen: SocketAddr,
    reach: &Reach,
    timings: &NetTimings,
) -> Result<Builder, BindError> {
    timings.validate()?;
    let address = bind_address(listen, reach)?;
    let relay = match relay_url(reach)? {
        Some(url) => RelayMode::custom([url]),
        None => RelayMode::Disabled,
    };
    Endpoint::builder(presets::Minimal)
        .relay_mode(relay)
        .clear_ip_transports()
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(transport_config(timings)?)
        .secret_key(secret.to_iroh())
        .bind_addr(address)
        .map_err(|error| BindError::Socket { listen, detail: format!("{error:#}") })
}

/// Binds, with the address in the error.
pub(crate) async fn bind(builder: Builder, listen: SocketAddr) -> Result<Endpoint, BindError> {
    let bound = builder.bind().await;
    bound.map_err(|error| BindError::Socket { listen, detail: format!("{error:#}") })
}

/// The relay server of a reach.
pub(crate) fn relay_url(reach: &Reach) -> Result<Option<RelayUrl>, InvalidNetOptions> {
    match reach {
        Reach::Relay { url: Some(url) } => url
            .parse()
            .map(Some)
            .map_err(|error| invalid("reach", &format!("relay url {url:?}: {error}"))),
        _ => Ok(None),
    }
}

/// How iroh names a peer and where to find it; `None` when the key is no point of the curve.
pub(crate) fn endpoint_addr(peer: &PeerAddress, relay: Option<&RelayUrl>) -> Option<EndpointAddr> {
    let id = EndpointId::from_bytes(peer.endpoint.as_bytes()).ok()?;
    let sockets = peer.addresses.iter().take(ADDRESSES_PER_PEER_MAX).copied();
    let address = EndpointAddr::from_parts(id, sockets.map(TransportAddr::Ip));
    Some(match relay {
        Some(url) => address.with_relay_url(url.clone()),
        None => address,
    })
}

/// The key as the rest of the program knows it.
pub(crate) fn endpoint_key(id: EndpointId) -> EndpointKey {
    EndpointKey::new(*id.as_bytes())
}

/// Windows stay at their defaults: a stream window of 4 MB or more kills a connection under bulk.
///
/// Peers are not asked to acknowledge less often, which would spare a tenth of the processor time:
/// noq-proto 1.4 writes that frame without looking whether the packet has room for it. Now and then
/// it has none when a connection begins; the panic poisons the endpoint's lock, on which a
/// destructor panics, and the process aborts.
fn transport_config(timings: &NetTimings) -> Result<QuicTransportConfig, InvalidNetOptions> {
    let idle = IdleTimeout::try_from(Duration::from_millis(timings.idle_timeout_ms))
        .map_err(|error| invalid("idle_timeout_ms", &error.to_string()))?;
    Ok(QuicTransportConfig::builder()
        .keep_alive_interval(Duration::from_millis(timings.keep_alive_ms))
        .max_idle_timeout(Some(idle))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .build())
}
