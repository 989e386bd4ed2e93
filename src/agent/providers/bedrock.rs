//! Models of Amazon Bedrock, as a stream:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.

use aws_config::{Region, SdkConfig};
use aws_sdk_bedrockruntime::{
    Client,
    error::{BuildError, DisplayErrorContext},
    primitives::Blob,
    types::{
        ContentBlock, ContentBlockDelta, ContentBlockStart, ConversationRole, ConverseStreamOutput,
        InferenceConfiguration, Message as BedrockMessage, ReasoningContentBlock, ReasoningContentBlockDelta,
        ReasoningTextBlock, StopReason, SystemContentBlock, Tool, ToolConfiguration, ToolInputSchema, ToolResultBlock,
        ToolResultContentBlock, ToolResultStatus, ToolSpecification, ToolUseBlock,
    },
};
use aws_smithy_types::{Document, Number};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{Answering, Bedrock, Hear, Provider};
use crate::{
    agent::conversation::{Block, Call, Message, Request, Role, Stopped, Turn, Usage},
    error::{Error, Result},
    inert,
    model::cut,
};

/// A way to a model of Bedrock.
pub(crate) struct BedrockConverse {
    client: Client,
    model: String,
}

impl BedrockConverse {
    pub(crate) fn new(settings: &Bedrock, config: &SdkConfig) -> Self {
        let region = Region::new(settings.region.clone());
        let config = aws_sdk_bedrockruntime::config::Builder::from(config).region(region).build();
        Self { client: Client::from_conf(config), model: settings.model.clone() }
    }

    async fn ask(&self, request: &Request<'_>, hear: Hear<'_>) -> Result<Turn> {
        let broken = |e: BuildError| Error::bug("a request to Bedrock is not whole").caused_by(e);
        let messages = request.messages.iter().map(message).collect::<Result<Vec<_>, _>>().map_err(broken)?;
        let tokens = i32::try_from(request.max_tokens).unwrap_or(i32::MAX);
        let sent = self
            .client
            .converse_stream()
            .model_id(&self.model)
            .system(SystemContentBlock::Text(request.system.to_owned()))
            .set_messages(Some(messages))
            .set_tool_config(tools(request).map_err(broken)?)
            .inference_config(InferenceConfiguration::builder().max_tokens(tokens).build())
            .send();
        let mut answer = sent.await.map_err(|e| failed(&DisplayErrorContext(&e).to_string()))?;
        let mut reading = Reading::default();
        loop {
            match answer.stream.recv().await {
                Ok(Some(event)) => reading.take(event, hear),
                Ok(None) => return reading.turn(),
                Err(e) => return Err(failed(&DisplayErrorContext(&e).to_string())),
            }
        }
    }
}

impl Provider for BedrockConverse {
    fn name(&self) -> &'static str {
        "bedrock"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn turn<'a>(&'a self, request: &'a Request<'a>, hear: Hear<'a>) -> Answering<'a> {
        Box::pin(self.ask(request, hear))
    }
}

fn failed(cause: &str) -> Error {
    Error::remote("Bedrock does not answer")
        .cause(cut(&inert::lines(cause), 300))
        .hint("the credentials need `bedrock:InvokeModelWithResponseStream` for the model in its region")
}

fn tools(request: &Request) -> Result<Option<ToolConfiguration>, BuildError> {
    if request.tools.is_empty() {
        return Ok(None);
    }
    let mut tools = ToolConfiguration::builder();
    for tool in request.tools {
        let schema = ToolInputSchema::Json(document(&Value::Object(tool.input.clone())));
        let own = ToolSpecification::builder().name(&tool.name).description(&tool.description).input_schema(schema);
        tools = tools.tools(Tool::ToolSpec(own.build()?));
    }
    tools.build().map(Some)
}

fn message(message: &Message) -> Result<BedrockMessage, BuildError> {
    let role = match message.role {
        Role::User => ConversationRole::User,
        Role::Assistant => ConversationRole::Assistant,
    };
    let mut built = BedrockMessage::builder().role(role);
    for block in &message.blocks {
        built = built.content(match block {
            Block::Text(text) => ContentBlock::Text(text.clone()),
            Block::Reasoning(own) => ContentBlock::ReasoningContent(reasoning(own)?),
            Block::Call(call) => {
                let input = document(&Value::Object(call.input.clone()));
                ContentBlock::ToolUse(
                    ToolUseBlock::builder().tool_use_id(&call.id).name(&call.name).input(input).build()?,
                )
            }
            Block::Result(result) => {
                let status = if result.is_error { ToolResultStatus::Error } else { ToolResultStatus::Success };
                let text = ToolResultContentBlock::Text(result.text.clone());
                ContentBlock::ToolResult(
                    ToolResultBlock::builder().tool_use_id(&result.id).content(text).status(status).build()?,
                )
            }
        });
    }
    built.build()
}

/// What a model thought, as it came.
fn reasoning(own: &Value) -> Result<ReasoningContentBlock, BuildError> {
    if let Some(hidden) = own["redacted"].as_str() {
        return Ok(ReasoningContentBlock::RedactedContent(Blob::new(
            BASE64_STANDARD.decode(hidden).unwrap_or_default(),
        )));
    }
    let text = own["text"].as_str().unwrap_or_default();
    let signature = own["signature"].as_str().map(str::to_owned);
    ReasoningTextBlock::builder().text(text).set_signature(signature).build().map(ReasoningContentBlock::ReasoningText)
}

/// A block as far as it has come.
enum Begun {
    Text(String),
    Call { id: String, name: String, input: String },
    Reasoning(Map<String, Value>),
}

/// An answer as far as it has come.
#[derive(Default)]
struct Reading {
    blocks: Vec<(i32, Begun)>,
    stopped: Option<Stopped>,
    usage: Usage,
}

impl Reading {
    fn take(&mut self, event: ConverseStreamOutput, hear: Hear<'_>) {
        match event {
            ConverseStreamOutput::ContentBlockStart(event) => {
                if let Some(ContentBlockStart::ToolUse(call)) = event.start() {
                    let (id, name) = (call.tool_use_id().to_owned(), call.name().to_owned());
                    self.blocks.push((event.content_block_index(), Begun::Call { id, name, input: String::new() }));
                }
            }
            ConverseStreamOutput::ContentBlockDelta(event) => {
                let Some(delta) = event.delta() else { return };
                let block = self.block(event.content_block_index(), delta);
                match (block, delta) {
                    (Begun::Text(text), ContentBlockDelta::Text(more)) => {
                        *text += more;
                        hear(more);
                    }
                    (Begun::Call { input, .. }, ContentBlockDelta::ToolUse(more)) => *input += more.input(),
                    (Begun::Reasoning(own), ContentBlockDelta::ReasoningContent(more)) => think(own, more),
                    _ => {}
                }
            }
            ConverseStreamOutput::MessageStop(event) => self.stopped = Some(stopped(event.stop_reason())),
            ConverseStreamOutput::Metadata(event) => {
                let count = |tokens: i32| u64::try_from(tokens).unwrap_or(0);
                self.usage = event.usage().map_or(self.usage, |usage| Usage {
                    input: count(usage.input_tokens()),
                    output: count(usage.output_tokens()),
                    cache_read: count(usage.cache_read_input_tokens().unwrap_or(0)),
                    cache_write: count(usage.cache_write_input_tokens().unwrap_or(0)),
                });
            }
            // Begin and end of messages and blocks, and whatever comes to be.
            _ => {}
        }
    }

    /// The block of an index. Text and thoughts have no event that begins them.
    fn block(&mut self, index: i32, delta: &ContentBlockDelta) -> &mut Begun {
        let place = self.blocks.iter().position(|(own, _)| *own == index).unwrap_or_else(|| {
            let begun = match delta {
                ContentBlockDelta::ReasoningContent(_) => Begun::Reasoning(Map::new()),
                _ => Begun::Text(String::new()),
            };
            self.blocks.push((index, begun));
            self.blocks.len() - 1
        });
        &mut self.blocks[place].1
    }

    fn turn(self) -> Result<Turn> {
        let blocks = self.blocks.into_iter().map(|(_, block)| match block {
            Begun::Text(text) => Block::Text(text),
            Begun::Call { id, name, input } => Block::Call(Call::read(id, name, &input)),
            Begun::Reasoning(own) => Block::Reasoning(own.into()),
        });
        let stopped = self.stopped.ok_or_else(|| failed("the answer ended before the model had"))?;
        Ok(Turn { blocks: blocks.filter(Block::says_something).collect(), stopped, usage: self.usage })
    }
}

fn think(own: &mut Map<String, Value>, more: &ReasoningContentBlockDelta) {
    let mut append = |field: &str, more: &str| {
        let before = own.get(field).and_then(Value::as_str).unwrap_or_default();
        own.insert(field.to_owned(), format!("{before}{more}").into());
    };
    match more {
        ReasoningContentBlockDelta::Text(more) => append("text", more),
        ReasoningContentBlockDelta::Signature(more) => append("signature", more),
        ReasoningContentBlockDelta::RedactedContent(hidden) => {
            own.insert("redacted".into(), json!(BASE64_STANDARD.encode(hidden)));
        }
        _ => {}
    }
}

fn stopped(reason: &StopReason) -> Stopped {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence => Stopped::Done,
        StopReason::ToolUse => Stopped::Calls,
        StopReason::MaxTokens => Stopped::Length,
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => Stopped::Refused,
        StopReason::ModelContextWindowExceeded => Stopped::Window,
        StopReason::MalformedToolUse | StopReason::MalformedModelOutput => Stopped::Malformed,
        other => Stopped::Other(other.as_str().to_owned()),
    }
}

/// JSON as the SDK has it.
fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(value) => Document::Bool(*value),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Number::PosInt(number),
            (_, Some(number)) => Number::NegInt(number),
            _ => Number::Float(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => Document::String(text.clone()),
        Value::Array(values) => Document::Array(values.iter().map(document).collect()),
        Value::Object(fields) => {
            Document::Object(fields.iter().map(|(name, value)| (name.clone(), document(value))).collect())
        }
    }
}
