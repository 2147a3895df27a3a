//! Carries a template out.

use super::functions::call;
use super::parse::{Base, Node, Operand, Pipe};
use super::value::Value;
use super::{Answers, Data, Error};
use std::collections::BTreeMap;

/// Bytes that a template may write.
const OUTPUT_BYTES: usize = 64 << 10;
/// Nodes and commands that may be carried out.
const STEPS: usize = 200_000;
/// Templates that may call one another.
const DEPTH: usize = 30;

/// The text of `nodes`.
pub(super) fn run(
    nodes: &[Node],
    defined: &BTreeMap<String, Vec<Node>>,
    data: &Data,
    answers: &Answers,
) -> Result<String, Error> {
    let root = Value::Object(data.root.clone());
    let mut variables: Vec<(String, Value)> = vec![(String::new(), root.clone())];
    variables.extend(data.variables.iter().map(|(n, v)| (n.clone(), v.clone())));
    let mut run = Run { defined, data, answers, variables, out: String::new(), steps: 0, depth: 0 };
    run.list(nodes, &root)?;
    Ok(run.out)
}

/// What a template is carried out with.
pub(super) struct Run<'a> {
    defined: &'a BTreeMap<String, Vec<Node>>,
    pub(super) data: &'a Data,
    pub(super) answers: &'a Answers,
    variables: Vec<(String, Value)>,
    out: String,
    steps: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Run<'_> {
    fn list(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, Error> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self) -> Result<(), Error> {
        self.steps += 1;
        match self.steps > STEPS {
            true => Err(Error::new("the template takes too long")),
            false => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        if self.out.len() + text.len() > OUTPUT_BYTES {
            return Err(Error::new(format!("the template writes more than {OUTPUT_BYTES} bytes")));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, Error> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Print(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.set.is_empty() {
                    self.write(&value.to_string())?;
                }
            }
            Node::If(pipe, then, otherwise) | Node::With(pipe, then, otherwise) => {
                let mark = self.variables.len();
                let value = self.pipe(pipe, dot)?;
                let flow = match (value.is_true(), node) {
                    (true, Node::With(..)) => self.list(then, &value),
                    (true, _) => self.list(then, dot),
                    (false, _) => self.list(otherwise, dot),
                };
                self.variables.truncate(mark);
                return flow;
            }
            Node::Range(pipe, then, otherwise) => {
                let mark = self.variables.len();
                let flow = self.range(pipe, then, otherwise, dot);
                self.variables.truncate(mark);
                return flow;
            }
            Node::Template(name, pipe) => self.template(name, pipe.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn template(&mut self, name: &str, pipe: Option<&Pipe>, dot: &Value) -> Result<(), Error> {
        let nodes =
            self.defined.get(name).ok_or_else(|| Error::new(format!("template {name:?} not defined")))?;
        if self.depth >= DEPTH {
            return Err(Error::new(format!("exceeded maximum template depth ({DEPTH})")));
        }
        let dot = match pipe {
            Some(pipe) => self.pipe(pipe, dot)?,
            None => Value::Nil,
        };
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), dot.clone())]);
        self.depth += 1;
        let done = self.list(nodes, &dot);
        self.depth -= 1;
        self.variables = outer;
        done.map(drop)
    }

    fn range(&mut self, pipe: &Pipe, then: &[Node], otherwise: &[Node], dot: &Value) -> Result<Flow, Error> {
        let set = if pipe.declares { pipe.set.clone() } else { Vec::new() };
        let value = self.commands(&pipe.commands, dot)?;
        let items: Vec<(Value, Value)> = match value {
            Value::Nil => Vec::new(),
            Value::List(list) => {
                list.into_iter().enumerate().map(|(at, v)| (Value::Int(at as i64), v)).collect()
            }
            Value::Labels(m) => m.into_iter().map(|(k, v)| (Value::Text(k), Value::Text(v))).collect(),
            Value::Map(m) => m.into_iter().map(|(k, v)| (Value::Text(k), v)).collect(),
            Value::Int(n) => (0..n.clamp(0, STEPS as i64)).map(|n| (Value::Int(n), Value::Int(n))).collect(),
            other => return Err(Error::new(format!("range can't iterate over {other}"))),
        };
        if items.is_empty() {
            return self.list(otherwise, dot);
        }
        for (key, item) in items {
            self.step()?;
            let mark = self.variables.len();
            match set.as_slice() {
                [one] => self.variables.push((one.clone(), item.clone())),
                [one, two, ..] => {
                    self.variables.push((one.clone(), key));
                    self.variables.push((two.clone(), item.clone()));
                }
                [] => {}
            }
            let flow = self.list(then, &item)?;
            self.variables.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, Error> {
        let value = self.commands(&pipe.commands, dot)?;
        for name in &pipe.set {
            if pipe.declares {
                self.variables.push((name.clone(), value.clone()));
            } else if let Some(slot) = self.variables.iter_mut().rev().find(|(n, _)| n == name) {
                slot.1 = value.clone();
            }
        }
        Ok(value)
    }

    fn commands(&mut self, commands: &[Vec<Operand>], dot: &Value) -> Result<Value, Error> {
        let mut last: Option<Value> = None;
        for command in commands {
            self.step()?;
            last = Some(self.command(command, dot, last)?);
        }
        last.ok_or_else(|| Error::new("missing value for command"))
    }

    fn command(&mut self, command: &[Operand], dot: &Value, piped: Option<Value>) -> Result<Value, Error> {
        let first = &command[0];
        if let Base::Function(name) = &first.base {
            let value = self.function(name, &command[1..], dot, piped)?;
            return fields_of(value, &first.fields);
        }
        if command.len() > 1 || piped.is_some() {
            return Err(Error::new("can't give argument to non-function"));
        }
        self.operand(first, dot)
    }

    fn function(
        &mut self,
        name: &str,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Error> {
        // `and` and `or` leave off as soon as they know
        if name == "and" || name == "or" {
            let mut value = Value::Nil;
            for operand in operands {
                value = self.operand(operand, dot)?;
                if value.is_true() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(piped.unwrap_or(value));
        }
        let mut args = operands.iter().map(|o| self.operand(o, dot)).collect::<Result<Vec<_>, _>>()?;
        args.extend(piped);
        call(self, name, args).map_err(|e| match e {
            Error::Failed(text) => Error::new(format!("error calling {name}: {text}")),
            e => e,
        })
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Error> {
        let base = match &operand.base {
            Base::Literal(value) => value.clone(),
            Base::Dot => dot.clone(),
            Base::Variable(name) => {
                let found = self.variables.iter().rev().find(|(n, _)| n == name);
                found
                    .map(|(_, v)| v.clone())
                    .ok_or_else(|| Error::new(format!("undefined variable: ${name}")))?
            }
            Base::Function(name) => self.function(name, &[], dot, None)?,
            Base::Pipe(pipe) => self.commands(&pipe.commands, dot)?,
        };
        fields_of(base, &operand.fields)
    }
}

fn fields_of(base: Value, fields: &[String]) -> Result<Value, Error> {
    fields.iter().try_fold(base, |value, field| value.field(field).map_err(Error::Failed))
}
