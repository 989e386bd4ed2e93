//! Models of Amazon Bedrock: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_bedrockruntime::{
    Client,
    error::DisplayErrorContext,
    types::{ContentBlock, ConversationRole, InferenceConfiguration, Message, SystemContentBlock},
};

use tokio::runtime::Handle;

use super::{Bedrock, MOST_TOKENS, Question};
use crate::{
    error::{Error, Result},
    inert,
    model::cut,
};

pub(super) fn ask(
    settings: &Bedrock,
    config: &SdkConfig,
    runtime: &Handle,
    question: &Question,
    timeout: Duration,
) -> Result<String> {
    let region = Region::new(settings.region.clone());
    let client = Client::from_conf(aws_sdk_bedrockruntime::config::Builder::from(config).region(region).build());
    let message = Message::builder()
        .role(ConversationRole::User)
        .content(ContentBlock::Text(question.user()))
        .build()
        .map_err(|e| Error::bug("a message to Bedrock is not whole").caused_by(e))?;
    let request = client
        .converse()
        .model_id(&settings.model)
        .system(SystemContentBlock::Text(question.system.to_owned()))
        .messages(message)
        .inference_config(InferenceConfiguration::builder().max_tokens(MOST_TOKENS).build())
        .send();
    let failed = |cause: String| {
        Error::remote("Bedrock does not answer")
            .cause(cut(&inert::lines(&cause), 300))
            .hint("the credentials need `bedrock:InvokeModel` for `bedrock.model` in `bedrock.region`")
    };
    let answer = runtime
        .block_on(async { tokio::time::timeout(timeout, request).await })
        .map_err(|_| failed(format!("no answer within {} seconds", timeout.as_secs())))?
        .map_err(|e| failed(DisplayErrorContext(&e).to_string()))?;
    let message = answer.output().and_then(|output| output.as_message().ok());
    let texts = message.into_iter().flat_map(|message| message.content()).filter_map(|part| part.as_text().ok());
    Ok(texts.map(String::as_str).collect())
}
