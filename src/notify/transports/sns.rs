//! Amazon SNS: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.

use aws_config::{Region, SdkConfig};
use aws_sdk_sns::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::MessageAttributeValue,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    inert,
    model::{Severity, cut},
    notify::{
        digest::Digest,
        transport::{Sending, Transport},
    },
    web::{Failure, causes},
};

/// Characters of a subject, which must be ASCII.
const SUBJECT: usize = 99;
/// Bytes of a message.
const MESSAGE: usize = 256 * 1024;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub topic_arn: String,
}

impl Transport for Settings {
    fn check(&self) -> Result<()> {
        match self.topic_arn.split(':').collect::<Vec<_>>()[..] {
            ["arn", _, "sns", region, account, name] if ![region, account, name].contains(&"") => Ok(()),
            _ => Err(Error::input(format!("`{}` is not the ARN of a topic", self.topic_arn))
                .hint("it looks like arn:aws:sns:us-east-1:123456789012:costs")),
        }
    }

    fn needs_aws(&self) -> bool {
        true
    }

    fn send(&self, digest: &Digest, sending: &Sending, _: &mut Vec<String>) -> Result<Option<String>, Failure> {
        let (config, runtime) = sending.aws.ok_or_else(|| Failure::later("there is no way to AWS"))?;
        runtime.block_on(self.publish(digest, config, sending))
    }
}

impl Settings {
    async fn publish(
        &self,
        digest: &Digest,
        config: &SdkConfig,
        sending: &Sending<'_>,
    ) -> Result<Option<String>, Failure> {
        let region = self.topic_arn.split(':').nth(3).unwrap_or_default().to_owned();
        let timeout = TimeoutConfig::builder().operation_attempt_timeout(sending.timeout).build();
        let client = aws_sdk_sns::config::Builder::from(config)
            .region(Region::new(region))
            .timeout_config(timeout)
            .retry_config(RetryConfig::standard().with_max_attempts(sending.attempts));
        let client = Client::from_conf(client.build());
        let subject: String =
            inert::one_line(&digest.title).replace('→', "->").chars().filter(char::is_ascii).collect();
        let text = |value: &str| {
            MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|e| Failure::refused(e.to_string()))
        };
        let worst = digest.alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Info);
        let mut request = client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(cut(&subject, SUBJECT).replace('…', "."))
            .message(cut(&digest.plain(), MESSAGE / 4))
            .message_attributes("severity", text(worst.name())?)
            .message_attributes("incidents", text(&(digest.alerts.len() + digest.more).to_string())?);
        if self.topic_arn.ends_with(".fifo") {
            request = request.message_group_id("aws-cost-anomalies").message_deduplication_id(&digest.id);
        }
        match request.send().await {
            Ok(answer) => Ok(answer.message_id().map(str::to_owned)),
            Err(error) => Err(failure(&error)),
        }
    }
}

fn failure<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static, R: std::fmt::Debug>(
    error: &SdkError<E, R>,
) -> Failure {
    let SdkError::ServiceError(service) = error else {
        return Failure::later(format!("SNS is not reached: {}", cut(&inert::one_line(&causes(error)), 200)));
    };
    let code = service.err().code().unwrap_or("an error without a code");
    let said = cut(&inert::one_line(service.err().message().unwrap_or_default()), 200);
    let text = format!("SNS says `{code}`: {said}");
    let passes = [
        "Throttling",
        "ThrottlingException",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "KMSThrottling",
    ];
    match code {
        code if passes.contains(&code) => Failure::later(text),
        "InvalidParameter" | "InvalidParameterValue" | "InvalidParameterException" => Failure::refused(text),
        _ => Failure::settings(format!("{text}; the credentials need `sns:Publish` for the topic")),
    }
}
