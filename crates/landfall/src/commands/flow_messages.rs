//! `landfall flow messages`: the messages inside the bodies of one exchange, a row each.

use crate::args::OutputArgs;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::Format;
use crate::output::row::{Column, Kind, Row};
use evidence::messages::{self, Keep};
use evidence::shape::MessageShape;
use flow::id::FlowId;

/// Lists them in the order in which they ended; tables show the first characters of each.
///
/// # Errors
/// There is no such exchange, or it cannot be read.
pub(crate) fn run(context: &Context, id: FlowId, output: OutputArgs) -> Result<Exit, Error> {
    let FlowId::Exchange(exchange) = id else {
        return Err(Error::usage("a connection has no messages of its own")
            .at(id)
            .hint("name one of its exchanges, such as c12.1; `landfall flow list` shows them"));
    };
    let output = context.output(output);
    let keep = if output.format == Format::Table { Keep::START } else { Keep::WHOLE };
    let session = context.session(None)?;
    let messages = messages::read(&session, exchange, keep)?;
    let mut rows = output.rows::<MessageShape>()?;
    for (number, message) in (1..).zip(messages) {
        if !rows.push(&MessageShape::new(id, number, message))? {
            break;
        }
    }
    if rows.finish()? == 0 && output.limit != Some(0) {
        context.nothing(
            &format!("the flow {id} holds no messages"),
            "its bodies are no WebSocket, gRPC or event stream: `landfall flow body` gives them whole",
        );
    }
    Ok(Exit::Ok)
}

impl Row for MessageShape {
    const COLUMNS: &'static [Column] = &COLUMNS;
}

const COLUMNS: [Column; 21] = [
    Column::hidden("schema", Kind::Number),
    Column::hidden("id", Kind::Text),
    Column::shown("number", "#", Kind::Number),
    Column::shown("time", "time", Kind::Time).spare(2),
    Column::shown("direction", "direction", Kind::Text),
    Column::hidden("protocol", Kind::Text),
    Column::shown("type", "type", Kind::Text),
    Column::hidden("bytes", Kind::Bytes),
    Column::shown("size", "size", Kind::Bytes),
    Column::shown("text", "text", Kind::Text).room(30),
    Column::shown("base64", "base64", Kind::Text).spare(3),
    Column::hidden("cut", Kind::Mark),
    Column::shown("problem", "problem", Kind::Text).spare(4),
    Column::hidden("opcode", Kind::Number),
    Column::shown("close_code", "code", Kind::Number).spare(5),
    Column::hidden("compressed", Kind::Mark),
    Column::hidden("fragments", Kind::Number),
    Column::hidden("event_id", Kind::Text),
    Column::hidden("retry_ms", Kind::Number),
    Column::hidden("end", Kind::Word),
    Column::shown("defect", "defect", Kind::Text).spare(1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_keys_of_messages() {
        let columns: Vec<_> = COLUMNS.iter().map(|column| column.key).collect();
        assert_eq!(columns, evidence::shape::MESSAGE_KEYS);
    }
}
