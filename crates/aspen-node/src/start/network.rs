//! The node's endpoint.

use std::path::Path;
use std::sync::Arc;

use aspen_core::{NodeId, runtime};
use aspen_net::{Cookie, NodeNet, NodeNetOptions, Reach, SecretKey};

use crate::data_dir::DataDir;
use crate::{Config, ReachSetting, StartError};

/// Opens the endpoint, at the address of the last run when the system is to choose it.
pub(super) async fn bind(config: &Config, dir: &DataDir) -> Result<Arc<NodeNet>, StartError> {
    let path = dir.secret_key_file();
    let secret = runtime::spawn_blocking(move || SecretKey::load_or_create(&path)).await??;
    let cookie = cookie(config).await?;
    let options = NodeNetOptions {
        listen: dir.listen_address(config.listen),
        reach: reach(config),
        ..NodeNetOptions::new(NodeId::new(config.id), secret, cookie)
    };
    let net = NodeNet::bind(options).await?;
    if let Some(bound) =
        net.bound_addresses().into_iter().find(|a| a.is_ipv4() == config.listen.is_ipv4())
    {
        dir.save_listen_address(bound)?;
    }
    Ok(net)
}

fn reach(config: &Config) -> Reach {
    match config.reach {
        ReachSetting::Loopback => Reach::Loopback,
        ReachSetting::Lan => Reach::Lan,
        ReachSetting::Relay => Reach::Relay { url: config.relay_url.clone() },
    }
}

async fn cookie(config: &Config) -> Result<Cookie, StartError> {
    match config.cookie_file.clone() {
        Some(path) => Ok(Cookie::new(read_cookie(&path).await?)?),
        None => Ok(Cookie::new(config.cookie.reveal())?),
    }
}

/// White space around the cookie comes from editors and is no part of it.
async fn read_cookie(path: &Path) -> Result<String, StartError> {
    let file = path.to_owned();
    let text = runtime::spawn_blocking(move || std::fs::read_to_string(file)).await?;
    text.map(|text| text.trim().to_owned()).map_err(|error| StartError::CookieFile {
        path: path.display().to_string(),
        detail: error.to_string(),
    })
}
