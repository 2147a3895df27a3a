//! From words to a tree.

use super::Error;
use super::functions;
use super::lex::{Piece, Token, pieces, tokens};
use super::value::Value;
use std::collections::BTreeMap;

/// Actions that may stand in one another.
const DEPTH: usize = 50;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Print(Pipe),
    If(Pipe, Vec<Node>, Vec<Node>),
    With(Pipe, Vec<Node>, Vec<Node>),
    Range(Pipe, Vec<Node>, Vec<Node>),
    Template(String, Option<Pipe>),
    Break,
    Continue,
}

/// Commands, each of which gets the outcome of the one before it as its last argument.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Pipe {
    /// Variables to be set.
    pub set: Vec<String>,
    /// Whether they are new.
    pub declares: bool,
    pub commands: Vec<Vec<Operand>>,
}

/// What a command is made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub base: Base,
    /// Fields of it, one of the other.
    pub fields: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Base {
    Literal(Value),
    Dot,
    /// `$` alone is the empty name.
    Variable(String),
    Function(String),
    Pipe(Box<Pipe>),
}

type Defined = BTreeMap<String, Vec<Node>>;

/// The tree of a template and the templates that it defines.
pub(super) fn parse(source: &str, variables: &[&str]) -> Result<(Vec<Node>, Defined), Error> {
    let mut known: Vec<String> = variables.iter().map(|v| (*v).to_owned()).collect();
    known.push(String::new());
    let mut parser =
        Parser { pieces: pieces(source)?, at: 0, known, defined: Defined::new(), loops: 0, depth: 0 };
    let (nodes, end) = parser.list()?;
    match end {
        End::Source => {}
        End::Else(_) => return Err(Error::new("unexpected {{else}}")),
        End::Closed => return Err(Error::new("unexpected {{end}}")),
    }
    let defined = parser.defined;
    check_calls(&nodes, &defined)?;
    for nodes in defined.values() {
        check_calls(nodes, &defined)?;
    }
    Ok((nodes, defined))
}

fn check_calls(nodes: &[Node], defined: &Defined) -> Result<(), Error> {
    for node in nodes {
        match node {
            Node::Template(name, _) if !defined.contains_key(name) => {
                return Err(Error::new(format!("template {name:?} not defined")));
            }
            Node::If(_, a, b) | Node::With(_, a, b) | Node::Range(_, a, b) => {
                check_calls(a, defined)?;
                check_calls(b, defined)?;
            }
            _ => {}
        }
    }
    Ok(())
}

struct Parser<'a> {
    pieces: Vec<Piece<'a>>,
    at: usize,
    known: Vec<String>,
    defined: Defined,
    loops: usize,
    depth: usize,
}

/// What ended a list of nodes.
enum End {
    Source,
    Closed,
    /// With the words after `else`.
    Else(Vec<Token>),
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(Vec<Node>, End), Error> {
        let mut out = Vec::new();
        while let Some(piece) = self.pieces.get(self.at).cloned() {
            self.at += 1;
            let (action, line) = match piece {
                Piece::Text(text) => {
                    out.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action(action, line) => (action, line),
            };
            let at_line = |e: Error| match e {
                Error::Failed(text) if !text.starts_with("line ") => {
                    Error::new(format!("line {line}: {text}"))
                }
                e => e,
            };
            let words = tokens(action).map_err(at_line)?;
            match self.action(words).map_err(at_line)? {
                Ok(Some(node)) => out.push(node),
                Ok(None) => {}
                Err(end) => return Ok((out, end)),
            }
        }
        Ok((out, End::Source))
    }

    /// A node, nothing (a definition), or the end of the list.
    fn action(&mut self, words: Vec<Token>) -> Result<Result<Option<Node>, End>, Error> {
        let keyword = match words.first() {
            None => return Err(Error::new("missing value for command")),
            Some(Token::Word(word)) => word.clone(),
            Some(_) => String::new(),
        };
        let rest = &words[1..];
        if matches!(keyword.as_str(), "end" | "break" | "continue") && !rest.is_empty() {
            return Err(Error::new(format!("unexpected words in {keyword}")));
        }
        Ok(Ok(Some(match keyword.as_str() {
            "end" => return Ok(Err(End::Closed)),
            "else" => return Ok(Err(End::Else(rest.to_vec()))),
            "if" | "with" | "range" => self.block(&keyword, rest)?,
            "break" | "continue" if self.loops == 0 => {
                return Err(Error::new(format!("{{{{{keyword}}}}} outside {{{{range}}}}")));
            }
            "break" => Node::Break,
            "continue" => Node::Continue,
            "define" => {
                self.define(rest)?;
                return Ok(Ok(None));
            }
            "block" => {
                let name = self.define(&rest[..rest.len().min(1)])?;
                Node::Template(name, Some(self.pipe(&rest[1..])?))
            }
            "template" => {
                let [Token::Text(name), after @ ..] = rest else {
                    return Err(Error::new("template wants the name of a template in quotes"));
                };
                let pipe = if after.is_empty() { None } else { Some(self.pipe(after)?) };
                Node::Template(name.clone(), pipe)
            }
            _ => Node::Print(self.pipe(&words)?),
        })))
    }

    fn define(&mut self, words: &[Token]) -> Result<String, Error> {
        let [Token::Text(name)] = words else {
            return Err(Error::new("define wants the name of a template in quotes"));
        };
        let outer = std::mem::replace(&mut self.known, vec![String::new()]);
        let (nodes, end) = self.nested(Self::list)?;
        self.known = outer;
        match end {
            End::Closed => {
                self.defined.insert(name.clone(), nodes);
                Ok(name.clone())
            }
            _ => Err(Error::new(format!("{{{{define {name:?}}}}} has no {{{{end}}}}"))),
        }
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= DEPTH {
            return Err(Error::new(format!("more than {DEPTH} actions within one another")));
        }
        self.depth += 1;
        let out = parse(self);
        self.depth -= 1;
        out
    }

    fn block(&mut self, keyword: &str, words: &[Token]) -> Result<Node, Error> {
        let seen = self.known.len();
        let pipe = if keyword == "range" { self.range_pipe(words)? } else { self.pipe(words)? };
        self.loops += usize::from(keyword == "range");
        let (then, end) = self.nested(Self::list)?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match end {
            End::Source => return Err(Error::new(format!("{{{{{keyword}}}}} has no {{{{end}}}}"))),
            End::Closed => Vec::new(),
            End::Else(words) if words.is_empty() => {
                self.known.truncate(seen.max(1));
                match self.nested(Self::list)? {
                    (nodes, End::Closed) => nodes,
                    _ => return Err(Error::new("expected {{end}} after {{else}}")),
                }
            }
            End::Else(words) => match words.first() {
                Some(Token::Word(w)) if w == keyword && keyword != "range" => {
                    let node = self.nested(|p| p.block(keyword, &words[1..]))?;
                    vec![node]
                }
                _ => return Err(Error::new("unexpected words after else")),
            },
        };
        self.known.truncate(seen);
        Ok(match keyword {
            "if" => Node::If(pipe, then, otherwise),
            "with" => Node::With(pipe, then, otherwise),
            _ => Node::Range(pipe, then, otherwise),
        })
    }

    fn range_pipe(&mut self, words: &[Token]) -> Result<Pipe, Error> {
        if let [Token::Variable(key), Token::Comma, Token::Variable(item), Token::Declare, rest @ ..] = words
        {
            let mut pipe = self.pipe(rest)?;
            pipe.set = vec![key.clone(), item.clone()];
            pipe.declares = true;
            self.known.extend(pipe.set.iter().cloned());
            return Ok(pipe);
        }
        self.pipe(words)
    }

    fn pipe(&mut self, words: &[Token]) -> Result<Pipe, Error> {
        let mut pipe = Pipe::default();
        let mut words = words;
        match words {
            [Token::Variable(name), Token::Declare, rest @ ..] => {
                pipe.set.push(name.clone());
                pipe.declares = true;
                words = rest;
            }
            [Token::Variable(name), Token::Assign, rest @ ..] => {
                self.check_known(name)?;
                pipe.set.push(name.clone());
                words = rest;
            }
            _ => {}
        }
        let mut at = 0;
        pipe.commands = self.commands(words, &mut at)?;
        if at < words.len() {
            return Err(Error::new(format!("unexpected {:?} in command", words[at])));
        }
        if pipe.declares {
            self.known.extend(pipe.set.iter().cloned());
        }
        Ok(pipe)
    }

    fn commands(&mut self, words: &[Token], at: &mut usize) -> Result<Vec<Vec<Operand>>, Error> {
        let mut all = vec![Vec::new()];
        while let Some(word) = words.get(*at) {
            match word {
                Token::Close => break,
                Token::Pipe => {
                    *at += 1;
                    if all.last().is_some_and(Vec::is_empty) {
                        return Err(Error::new("missing value for command"));
                    }
                    all.push(Vec::new());
                }
                _ => {
                    let operand = self.operand(words, at)?;
                    if let Some(last) = all.last_mut() {
                        last.push(operand);
                    }
                }
            }
        }
        if all.last().is_some_and(Vec::is_empty) {
            return Err(Error::new("missing value for command"));
        }
        for command in &all[1..] {
            if matches!(command[0].base, Base::Literal(_)) {
                return Err(Error::new("non executable command in pipeline"));
            }
        }
        Ok(all)
    }

    fn operand(&mut self, words: &[Token], at: &mut usize) -> Result<Operand, Error> {
        let word = &words[*at];
        *at += 1;
        let mut fields = Vec::new();
        let base = match word {
            Token::Text(text) => Base::Literal(Value::Text(text.clone())),
            Token::Int(n) => Base::Literal(Value::Int(*n)),
            Token::Float(v) => Base::Literal(Value::Float(*v)),
            Token::Dot => Base::Dot,
            Token::Field(name, _) => {
                fields.push(name.clone());
                Base::Dot
            }
            Token::Variable(name) => {
                self.check_known(name)?;
                Base::Variable(name.clone())
            }
            Token::Word(word) => match word.as_str() {
                "true" => Base::Literal(Value::Bool(true)),
                "false" => Base::Literal(Value::Bool(false)),
                "nil" => Base::Literal(Value::Nil),
                name if functions::is_known(name) => Base::Function(name.to_owned()),
                name => return Err(Error::new(format!("function {name:?} not defined"))),
            },
            Token::Open => self.nested(|p| {
                let commands = p.commands(words, at)?;
                if words.get(*at) != Some(&Token::Close) {
                    return Err(Error::new("unclosed left paren"));
                }
                *at += 1;
                Ok(Base::Pipe(Box::new(Pipe { commands, ..Pipe::default() })))
            })?,
            other => return Err(Error::new(format!("unexpected {other:?} in operand"))),
        };
        while let Some(Token::Field(name, true)) = words.get(*at) {
            fields.push(name.clone());
            *at += 1;
        }
        Ok(Operand { base, fields })
    }

    fn check_known(&self, name: &str) -> Result<(), Error> {
        match self.known.iter().any(|known| known == name) {
            true => Ok(()),
            false => Err(Error::new(format!("undefined variable \"${name}\""))),
        }
    }
}
