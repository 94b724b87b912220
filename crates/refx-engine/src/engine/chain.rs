//! How long a chain of operators may be.
//!
//! The parser bounds how deep a text nests, and builds `a or b or c or …` without nesting. Planning
//! then descends link by link, so that a chain of some thousands takes minutes and all of the stack.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::error::{Error, Kind, Position};

/// Links of one chain. Twice as many end the stack of an unoptimized build.
const LONGEST: usize = 1_500;

/// Refuses a text with a longer chain, at the first link that is too many.
pub(super) fn check(sql: &str) -> Result<(), Error> {
    // A link takes two letters at least; short texts need no second look.
    if sql.len() < 2 * LONGEST {
        return Ok(());
    }
    let Ok(tokens) = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location() else {
        // The parser tells what is wrong with it.
        return Ok(());
    };
    let mut outer = Vec::new();
    let mut outside = 0;
    let mut level = Level::default();
    for token in &tokens {
        match link(&token.token) {
            Link::Opens => {
                outside += level.depth();
                outer.push(std::mem::take(&mut level));
            }
            Link::Closes => {
                level = outer.pop().unwrap_or_default();
                outside -= level.depth().min(outside);
            }
            Link::Ends => (level.conditions, level.operators) = (0, 0),
            Link::Operator => level.operators += 1,
            Link::Condition => {
                level.operators = 0;
                level.conditions += 1;
            }
            Link::Query => {
                (level.conditions, level.operators) = (0, 0);
                level.queries += 1;
            }
            Link::Other => {}
        }
        if outside + level.depth() > LONGEST {
            return Err(too_long(token, &level));
        }
    }
    Ok(())
}

/// The chains that are open between one parenthesis and its end.
#[derive(Default)]
struct Level {
    /// `union`, `join` and the like.
    queries: usize,
    /// `and` and `or`.
    conditions: usize,
    operators: usize,
}

impl Level {
    /// How deep a parser's tree is there.
    fn depth(&self) -> usize {
        self.queries + self.conditions + self.operators
    }
}

enum Link {
    Opens,
    Closes,
    /// What follows belongs to another expression.
    Ends,
    Operator,
    Condition,
    Query,
    Other,
}

fn link(token: &Token) -> Link {
    use Keyword::{
        AND, EXCEPT, FROM, INTERSECT, IS, JOIN, LIKE, NOT, ON, OR, SELECT, THEN, UNION, WHEN, WHERE,
    };
    match token {
        Token::LParen => Link::Opens,
        Token::RParen => Link::Closes,
        Token::Comma | Token::SemiColon => Link::Ends,
        Token::Word(word) => match word.keyword {
            SELECT | FROM | WHERE | ON | WHEN | THEN => Link::Ends,
            UNION | EXCEPT | INTERSECT | JOIN => Link::Query,
            AND | OR => Link::Condition,
            NOT | IS | LIKE => Link::Operator,
            _ => Link::Other,
        },
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Period
        | Token::EOF => Link::Other,
        _ => Link::Operator,
    }
}

fn too_long(token: &TokenWithSpan, level: &Level) -> Error {
    let (message, help) = match level.queries > LONGEST / 2 {
        true => (
            format!("more than {LONGEST} queries are joined or united in one SELECT"),
            "divide them among several models, and unite those",
        ),
        false => (
            format!("more than {LONGEST} operators stand in one expression"),
            "use `in (…)` for a list of values, or put the values into a seed and join it",
        ),
    };
    let place = token.span.start;
    let position = usize::try_from(place.line)
        .and_then(|line| usize::try_from(place.column).map(|column| Position { line, column }));
    Error::new(Kind::Syntax, message)
        .help(help)
        .at(position.ok())
}
