//! Tokens of the API. The cluster keeps only a hash of each: the text of a token is seen once, when it is made.

use crate::encode::escape;
use crate::transport::Request;
use crate::{Client, Error, client::Reported};
use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// A token as the cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Token {
    /// Its name.
    pub name: String,
    /// `write`, `read` or `admin`.
    pub role: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it ends; never where there is none.
    pub expires_ms: Option<i64>,
}

/// A token that was just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// `write`, `read` or `admin`.
    pub role: String,
    /// What to show; nobody can look it up again.
    pub token: String,
    /// When it ends; never where there is none.
    #[serde(default)]
    pub expires_ms: Option<i64>,
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a token. Refused when the name is taken.
    pub async fn create_token(
        &self,
        name: &str,
        role: &str,
        expires: Option<Duration>,
    ) -> Result<NewToken, Error> {
        let mut body = json!({"name": name, "role": role});
        if let Some(expires) = expires {
            body["expires_seconds"] = json!(expires.as_secs());
        }
        // Not repeatable: the second time the name is taken, and the token of the first is lost.
        let request = Request::post("/api/v1/tokens", "application/json", Bytes::from(body.to_string()));
        let answer: Reported<NewToken> = self.ask(&request).await?;
        Ok(answer.data)
    }

    /// The tokens that there are.
    pub async fn tokens(&self) -> Result<Vec<Token>, Error> {
        Ok(self.ask(&Request::get("/api/v1/tokens".into())).await?.data)
    }

    /// Takes a token back. Refused with 404 when there is none of the name.
    pub async fn revoke_token(&self, name: &str) -> Result<(), Error> {
        let mut path = "/api/v1/tokens/".to_owned();
        escape(&mut path, name);
        let mut request = Request::get(path);
        request.method = Method::DELETE;
        self.transport.send(&request).await.map(|_| ())
    }
}
