//! Read-only SQL: no effect, so retried as reads are.

use std::time::Duration;

use aspen_core::{ClientRequest, ClientResponse, SqlError, SqlQuery, SqlReply, SqlRequest};
use async_trait::async_trait;

use crate::Client;
use crate::deadline::Deadline;
use crate::read::{Reading, affinity, wrong_answer};
use crate::shared::group_for;

#[async_trait]
impl SqlQuery for Client {
    /// The query's own time counts at the node that runs it; finding that node, and another when
    /// it fails, may take [`crate::ClientOptions::request_timeout_ms`] on top.
    async fn sql(&self, request: SqlRequest) -> Result<SqlReply, SqlError> {
        request.validate()?;
        let (group, affinity) = (group_for(), affinity(request.consistency));
        let running = Duration::from_millis(request.timeout_ms);
        let deadline = Deadline::after(running + self.shared.options.request_timeout());
        let request = ClientRequest::Sql { group, request };
        // An attempt may take as long as the query, so it may take until the deadline.
        let reading = Reading::until(deadline, &self.shared, group, affinity, request, None);
        match reading.run().await? {
            ClientResponse::Sql(result) => result,
            _ => Err(wrong_answer().into()),
        }
    }
}
