//! The rules that a whole configuration must keep.

use std::path::Path;

use super::{Config, ConfigError, ReachSetting};

/// Ports that other services commonly hold: HTTP alternates and the default of a known game server.
const PORTS_CONTESTED: &[u16] = &[8080, 26000];

impl Config {
    /// Checks every rule. Answers warnings about what works but is unwise.
    ///
    /// # Errors
    /// Names the first setting that breaks a rule, and what to do.
    pub fn validate(&self) -> Result<Vec<String>, ConfigError> {
        self.validate_identity()?;
        self.validate_dir()?;
        self.validate_start()?;
        self.validate_network()?;
        self.validate_timings()?;
        self.validate_disk()?;
        Ok(self.warnings())
    }

    fn validate_identity(&self) -> Result<(), ConfigError> {
        if self.id == 0 {
            return Err(ConfigError::invalid("id", "must be 1 or more; set --id or ASPEN_ID"));
        }
        if self.cookie.is_empty() && self.cookie_file.is_none() {
            let detail = "is required; set ASPEN_COOKIE or cookie_file to the cluster's secret";
            return Err(ConfigError::invalid("cookie", detail));
        }
        if !self.cookie.is_empty() && self.cookie_file.is_some() {
            let detail = "and `cookie` are both set; leave one of them out";
            return Err(ConfigError::invalid("cookie_file", detail));
        }
        Ok(())
    }

    fn validate_dir(&self) -> Result<(), ConfigError> {
        if self.dir.as_os_str().is_empty() {
            let detail = "is required; set --dir or ASPEN_DIR to a directory of this node alone";
            return Err(ConfigError::invalid("dir", detail));
        }
        if self.dir.exists() && !self.dir.is_dir() {
            let detail = format!("is {}, which is no directory", self.dir.display());
            return Err(ConfigError::invalid("dir", detail));
        }
        let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        if !self.dir.exists() && !parent.is_none_or(Path::is_dir) {
            let detail =
                format!("cannot be created: the parent of {} is missing", self.dir.display());
            return Err(ConfigError::invalid("dir", detail));
        }
        Ok(())
    }

    fn validate_start(&self) -> Result<(), ConfigError> {
        if self.join.is_some() && self.join_file.is_some() {
            let detail = "and `join` are both set; leave one of them out";
            return Err(ConfigError::invalid("join_file", detail));
        }
        if self.bootstrap && (self.join.is_some() || self.join_file.is_some()) {
            let detail = "and a ticket to join are both set; a node starts a cluster or joins one";
            return Err(ConfigError::invalid("bootstrap", detail));
        }
        Ok(())
    }

    fn validate_network(&self) -> Result<(), ConfigError> {
        if self.reach == ReachSetting::Loopback && !self.listen.ip().is_loopback() {
            let detail = format!(
                "is `loopback` but `listen` is {}; set reach = \"lan\", or listen on 127.0.0.1",
                self.listen
            );
            return Err(ConfigError::invalid("reach", detail));
        }
        if self.relay_url.is_some() && self.reach != ReachSetting::Relay {
            let detail = "has no effect without reach = \"relay\"; set it or leave the URL out";
            return Err(ConfigError::invalid("relay_url", detail));
        }
        if self.relay_url.is_none() && self.reach == ReachSetting::Relay {
            let detail = "is required with reach = \"relay\"; set it to your relay server's URL";
            return Err(ConfigError::invalid("relay_url", detail));
        }
        match self.ops_listen {
            Some(address) if !address.ip().is_loopback() && !self.ops_public => {
                let detail = format!(
                    "is {address}, which other machines can reach without authentication; listen \
                     on 127.0.0.1, or set ops_public = true if that is intended"
                );
                Err(ConfigError::invalid("ops_listen", detail))
            }
            _ => Ok(()),
        }
    }

    fn validate_timings(&self) -> Result<(), ConfigError> {
        let positive = [
            ("heartbeat_ms", self.heartbeat_ms),
            ("vote_timeout_ms", self.vote_timeout_ms),
            ("append_timeout_ms", self.append_timeout_ms),
            ("join_timeout_ms", self.join_timeout_ms),
            ("history_ms", self.history_ms),
            ("disk_check_ms", self.disk_check_ms),
            ("drain_ms", self.drain_ms),
            ("operations_in_flight_max", self.operations_in_flight_max as u64),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::invalid(name, "must be 1 or more"));
        }
        if self.heartbeat_ms >= self.election_ms_min {
            let detail = format!(
                "({}) must be below election_ms_min ({}), or followers stand for election between \
                 two heartbeats",
                self.heartbeat_ms, self.election_ms_min
            );
            return Err(ConfigError::invalid("heartbeat_ms", detail));
        }
        if self.election_ms_min >= self.election_ms_max {
            let detail = format!(
                "({}) must be below election_ms_max ({}), or every candidate stands at once",
                self.election_ms_min, self.election_ms_max
            );
            return Err(ConfigError::invalid("election_ms_min", detail));
        }
        // The settings of consensus have the same names, and relations of their own.
        let consensus = crate::start::raft_options(self).validate();
        consensus.map_err(|invalid| ConfigError::invalid(invalid.field, invalid.problem))
    }

    fn validate_disk(&self) -> Result<(), ConfigError> {
        if self.disk_refuse_percent > 100 {
            return Err(ConfigError::invalid("disk_refuse_percent", "must be 100 or less"));
        }
        if self.disk_warn_percent >= self.disk_refuse_percent {
            let detail = format!(
                "({}) must be below disk_refuse_percent ({}), or the warning comes too late",
                self.disk_warn_percent, self.disk_refuse_percent
            );
            return Err(ConfigError::invalid("disk_warn_percent", detail));
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.heartbeat_ms.saturating_mul(3) > self.election_ms_min {
            warnings.push(format!(
                "setting `heartbeat_ms` ({}): two lost heartbeats start an election; keep it below \
                 a third of election_ms_min ({})",
                self.heartbeat_ms, self.election_ms_min
            ));
        }
        let ports = [("listen", Some(self.listen)), ("ops_listen", self.ops_listen)];
        for (name, address) in ports {
            if let Some(port) = address.map(|a| a.port()).filter(|p| PORTS_CONTESTED.contains(p)) {
                warnings.push(format!(
                    "setting `{name}`: port {port} is commonly used by other services"
                ));
            }
        }
        warnings
    }
}
