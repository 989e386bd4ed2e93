//! One way to AWS for everything that reads costs: credentials as the AWS CLI finds them, retries, timeouts,
//! and one translation of what AWS refuses into what a user can do about it.

use std::{
    fmt::Write,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, default_provider::region::DefaultRegionChain,
    meta::region::RegionProviderChain, profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig,
    retry::RetryConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig,
};
use aws_sdk_sts::{
    config::{ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeDeserializationInterceptorContextRef},
    error::{ProvideErrorMetadata, SdkError},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use crate::{
    error::{Error, Result},
    inert,
};

/// The `aws` section of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// A role to assume on top of the credentials, as an ARN.
    pub role_arn: String,
    /// The external id that the role asks for.
    pub external_id: String,
    /// Another endpoint for all services; empty for AWS's own.
    pub endpoint_url: String,
    /// Attempts at one request in all.
    pub max_attempts: u32,
    /// Seconds without an answer after which an attempt is given up.
    pub timeout_seconds: u64,
}

/// A way to AWS. Nothing is asked of the network until the first request.
pub(crate) struct Aws {
    runtime: Handle,
    config: SdkConfig,
    profile: String,
    caller: OnceLock<Caller>,
    clock: Clock,
}

/// Reads AWS's time off an answer.
#[derive(Clone, Debug, Default)]
struct Clock {
    /// Seconds that this machine is ahead.
    skew: Arc<OnceLock<i64>>,
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            self.skew.get_or_init(|| (Utc::now() - date.to_utc()).num_seconds());
        }
        Ok(())
    }
}

/// Who the credentials are of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Caller {
    /// Twelve digits.
    pub account_id: String,
    pub arn: String,
}

/// What was asked, for an error about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiRequest<'a> {
    /// The service in words: `Cost Explorer`.
    pub service: &'a str,
    /// The IAM action that the request needs: `ce:GetCostAndUsage`.
    pub action: &'a str,
    /// What it was about: `costs of 2026-10`, `s3://bucket/key`.
    pub about: &'a str,
}

impl Aws {
    /// Reads the configuration and the credentials of `profile`, or the default ones when it is blank.
    ///
    /// Credentials come from where the AWS CLI takes them: the environment, profiles, SSO, web identity,
    /// containers and instances.
    pub(crate) fn connect(settings: &Settings, profile: &str, runtime: &Handle) -> Self {
        let config = runtime.block_on(load(settings, profile));
        let (runtime, profile) = (runtime.clone(), profile.to_owned());
        Self { runtime, config, profile, caller: OnceLock::new(), clock: Clock::default() }
    }

    /// The account and identity of the credentials: `sts:GetCallerIdentity`, which everybody may ask for nothing.
    ///
    /// # Errors
    /// When there are no credentials, or AWS refuses them.
    pub(crate) fn caller(&self) -> Result<&Caller> {
        if let Some(caller) = self.caller.get() {
            return Ok(caller);
        }
        let config = aws_sdk_sts::config::Builder::from(&self.config).interceptor(self.clock.clone());
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let answer = self.block_on(client.get_caller_identity().send()).map_err(|e| {
            let request =
                ApiRequest { service: "STS", action: "sts:GetCallerIdentity", about: "whose the credentials are" };
            self.explain(&request, &e)
        })?;
        let caller = Caller {
            account_id: answer.account().unwrap_or_default().to_owned(),
            arn: answer.arn().unwrap_or_default().to_owned(),
        };
        Ok(self.caller.get_or_init(|| caller))
    }

    /// Seconds that the clock of this machine is ahead of AWS's, once AWS was asked who the caller is.
    pub(crate) fn clock_skew_seconds(&self) -> Option<i64> {
        self.clock.skew.get().copied()
    }

    /// Whether requests to S3 go elsewhere than to AWS.
    pub(super) fn has_own_endpoint(&self) -> bool {
        self.config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some()
    }

    /// What the SDK is configured with, for services that do not tell costs.
    pub(crate) fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    pub(super) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.runtime
    }

    /// The configuration for a service in `region`.
    pub(super) fn in_region(&self, region: &str) -> SdkConfig {
        let builder = self.config.to_builder();
        if region.is_empty() { builder.build() } else { builder.region(Region::new(region.to_owned())).build() }
    }

    /// What AWS refused, its cause, and the next step. No text of it holds a credential.
    pub(super) fn explain<E, R>(&self, request: &ApiRequest, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        Whom { profile: &self.profile, caller: self.caller.get() }.explain(request, error)
    }

    /// The same for tasks that outlive the borrow of `self`.
    pub(super) fn whom(&self) -> OwnedWhom {
        OwnedWhom { profile: self.profile.clone(), caller: self.caller.get().cloned() }
    }
}

/// Whose request it was.
#[derive(Clone)]
pub(super) struct OwnedWhom {
    profile: String,
    caller: Option<Caller>,
}

impl OwnedWhom {
    pub(super) fn explain<E, R>(&self, request: &ApiRequest, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        Whom { profile: &self.profile, caller: self.caller.as_ref() }.explain(request, error)
    }
}

struct Whom<'a> {
    profile: &'a str,
    caller: Option<&'a Caller>,
}

impl Whom<'_> {
    fn explain<E, R>(&self, request: &ApiRequest, error: &SdkError<E, R>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        let of_account = self.caller.map_or(String::new(), |caller| format!(" of account {}", caller.account_id));
        let title = format!("{} does not give {}{of_account}", request.service, request.about);
        match error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("an answer without an error code");
                let message = redacted(service.err().message().unwrap_or_default());
                let cause = if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") };
                let error = Error::remote(title).cause(cause);
                self.hints(request, code, &message).into_iter().fold(error, Error::hint)
            }
            SdkError::TimeoutError(_) => Error::remote(title)
                .cause("there was no answer in time")
                .hint("try again; `aws.timeout_seconds` in the configuration sets how long to wait"),
            other => self.not_sent(title, &redacted(&chain(other))),
        }
    }

    /// An error before any answer: no credentials, no network.
    fn not_sent(&self, title: String, text: &str) -> Error {
        let lower = text.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let word = |word: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|own| own == word);
        if word("sso") || has(&["login session", "token has expired", "session has expired"]) {
            let error = Error::remote(title).cause(text);
            return error.hint(format!("sign in again: `{}`", self.login()));
        }
        if has(&["assume role", "assumerole", "accessdenied"]) && has(&["role"]) {
            return Error::remote(title).cause(text).hint(
                "allow `sts:AssumeRole` on the role of `aws.role_arn`, and this identity in the role's trust policy",
            );
        }
        if has(&["credential", "identity", "profile", "region"]) {
            let title = match self.profile {
                "" => "there are no AWS credentials for this".to_owned(),
                profile => format!("the AWS profile `{profile}` gives no credentials: is it in ~/.aws/config?"),
            };
            return Error::input(title)
                .cause(text)
                .hint(format!("sign in: `{}`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", self.login()))
                .hint("`aws configure list` shows which credentials there are");
        }
        let error = Error::remote(title).cause(text);
        if has(&["timeout", "timed out"]) {
            error.hint("there was no answer in time: try again, or set `aws.timeout_seconds` higher")
        } else {
            error
                .hint("check the network, a proxy (HTTPS_PROXY) or the endpoint (`aws.endpoint_url`, AWS_ENDPOINT_URL)")
        }
    }

    fn login(&self) -> String {
        if self.profile.is_empty() {
            "aws sso login".into()
        } else {
            format!("aws sso login --profile {}", inert::shell(self.profile))
        }
    }

    /// The next steps for an error code. Codes: the services' API references; S3's in "Error responses" of the
    /// S3 API reference.
    fn hints(&self, request: &ApiRequest, code: &str, message: &str) -> Vec<String> {
        let lower = message.to_lowercase();
        let one = |text: &str| vec![text.to_owned()];
        match code {
            _ if lower.contains("signature expired")
                || lower.contains("signature not yet current")
                || ["RequestTimeTooSkewed", "RequestInTheFuture"].contains(&code) =>
            {
                one("the clock of this machine is wrong: set it by NTP, then try again")
            }
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => vec![
                format!("the credentials have expired; sign in again: `{}`", self.login()),
                "temporary keys in the environment (AWS_SESSION_TOKEN) must be fetched anew".into(),
            ],
            "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "AuthFailure"
            | "InvalidToken"
            | "IncompleteSignature" => {
                vec![
                    "AWS does not know these credentials; `aws-cost-anomalies doctor` says which are used".into(),
                    format!("choose others with `aws_profile` or AWS_COST_PROFILE, or sign in: `{}`", self.login()),
                ]
            }
            _ if lower.contains("not enabled for cost explorer") => vec![
                "enable Cost Explorer: open it once in the Billing console of the management account; data comes within 24 hours"
                    .into(),
                "and let IAM users and roles see billing, in the management account's settings".into(),
            ],
            "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "AccessForbidden" => {
                self.denied(request, &lower)
            }
            "OptInRequired" | "SubscriptionRequiredException" => {
                one("this account has not signed up for the service: open it once in the AWS console")
            }
            "DataUnavailableException" => {
                one("Cost Explorer was just enabled or has no data yet: it takes up to 24 hours; try again tomorrow")
            }
            "BillExpirationException" => one(
                "Cost Explorer does not keep days that old any more: ask for later ones, or ingest a CUR export of them",
            ),
            "RequestChangedException" | "InvalidNextTokenException" => {
                one("the pages of the answer no longer fit together; run the same command again")
            }
            "BillingViewHealthStatusException" => one("the billing view is being rebuilt; try again in some hours"),
            "LimitExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "503 SlowDown" => one(
                "AWS asks to go slower, after all retries: wait some minutes; each request to Cost Explorer costs $0.01",
            ),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "301" => one(
                "the bucket is in another region: set `s3.region` to the bucket's (`aws s3api get-bucket-location`)",
            ),
            "NoSuchBucket" => {
                one("check `s3.bucket` in the configuration; `ingest --discover` lists the account's exports")
            }
            "NoSuchKey" | "NotFound" => {
                one("the object was removed, or is being written; run the command again in some minutes")
            }
            "InvalidObjectState" => one(
                "the object is archived (Glacier): restore it with `aws s3api restore-object`, or exclude the month with `--from`",
            ),
            "PreconditionFailed" => one("AWS is writing this delivery now; run the command again in some minutes"),
            code if code.starts_with("KMS.") => self.denied(request, "kms"),
            "InternalError"
            | "InternalServerError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException" => one("AWS failed, after all retries: try again in some minutes"),
            "ValidationException" => Vec::new(),
            _ => vec![format!("`{}` is what it needs to be allowed: docs/IAM.md", request.action)],
        }
    }

    fn denied(&self, request: &ApiRequest, lower: &str) -> Vec<String> {
        let who = self.caller.map_or("this identity".to_owned(), |caller| format!("`{}`", caller.arn));
        if lower.contains("kms") {
            return vec![format!("the objects are encrypted with a KMS key: allow {who} `kms:Decrypt` on that key")];
        }
        let mut hints = vec![format!("allow {who} `{}`: docs/IAM.md has the least policy", request.action)];
        if request.action.starts_with("ce:") {
            hints.push(
                "if it is allowed already: enable Cost Explorer once in the Billing console, and \"IAM user access to \
                 billing\" in the account settings of the management account"
                    .into(),
            );
        }
        if request.action.starts_with("s3:") {
            hints.push("if the bucket's owner lets readers pay, set `s3.requester_pays: true`".into());
        }
        hints
    }
}

async fn load(settings: &Settings, profile: &str) -> SdkConfig {
    let timeout = Duration::from_secs(settings.timeout_seconds);
    let mut region = DefaultRegionChain::builder();
    if !profile.is_empty() {
        region = region.profile_name(profile);
    }
    let region = RegionProviderChain::first_try(region.build()).or_else("us-east-1").region().await;
    let timeouts =
        TimeoutConfig::builder().connect_timeout(timeout.min(Duration::from_secs(10))).read_timeout(timeout).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region.clone())
        .retry_config(RetryConfig::adaptive().with_max_attempts(settings.max_attempts))
        .timeout_config(timeouts);
    if !profile.is_empty() {
        // A profile that is named is meant: keys in the environment do not go before it.
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&ProviderConfig::without_region().with_region(region))
            .profile_name(profile)
            .build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if !settings.endpoint_url.is_empty() {
        loader = loader.endpoint_url(&settings.endpoint_url);
    }
    let config = loader.load().await;
    if settings.role_arn.is_empty() {
        return config;
    }
    let mut role =
        AssumeRoleProvider::builder(&settings.role_arn).session_name("aws-cost-anomalies").configure(&config);
    if !settings.external_id.is_empty() {
        role = role.external_id(&settings.external_id);
    }
    let provider = role.build().await;
    config.into_builder().credentials_provider(aws_sdk_sts::config::SharedCredentialsProvider::new(provider)).build()
}

/// The texts of an error and of all below it, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let own = error.to_string();
        if !text.contains(&own) {
            let separator = if text.is_empty() { "" } else { ": " };
            let _ = write!(text, "{separator}{own}");
        }
        next = error.source();
    }
    text
}

/// What AWS says without what identifies credentials: the canonical request of a signature error holds the
/// session token, others name the access key.
fn redacted(text: &str) -> String {
    let end = ["The Canonical String", "The String-to-Sign"].iter().filter_map(|mark| text.find(mark)).min();
    let text = text[..end.unwrap_or(text.len())].trim();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let key_at = |text: &str| ["AKIA", "ASIA"].iter().filter_map(|start| text.find(start)).min();
    while let Some(start) = key_at(rest) {
        let length =
            rest[start..].bytes().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count();
        clean.push_str(&rest[..start]);
        clean.push_str(if length >= 16 { "[access key]" } else { &rest[start..start + length] });
        rest = &rest[start + length..];
    }
    clean.push_str(rest);
    match clean.find("Signature=") {
        Some(start) => {
            let end = clean[start..].find([' ', ',', '\'', '"']).map_or(clean.len(), |end| start + end);
            format!("{}Signature=[cut]{}", &clean[..start], &clean[end..])
        }
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn what_identifies_credentials_is_cut_out() {
        let text = "The request signature does not match. The Canonical String for this request should have been \
                    'POST x-amz-security-token:SECRET'";
        assert_eq!(redacted(text), "The request signature does not match.");
        assert_eq!(
            redacted("Credential=AKIAIOSFODNN7EXAMPLE/20261120/x, Signature=abcdef not a valid pair"),
            "Credential=[access key]/20261120/x, Signature=[cut] not a valid pair"
        );
        assert_eq!(redacted("key 'AKIAIOSFODNN7EXAMPLE' is unknown"), "key '[access key]' is unknown");
    }
}
