//! Patterns: shell globs over names, and globs over paths.
//!
//! dbt matches names with Python's `fnmatch`, which knows no separators: in `staging.*` the star
//! also crosses dots. `globset` reads `{a,b}` as alternatives and refuses an open bracket, so the
//! few lines of `fnmatch` are written here as they are in Python.

/// A shell pattern over a whole name: `*`, `?`, `[a-z]`, `[!a-z]`. Everything else is itself, an
/// open bracket without its end included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `[…]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    pub fn new(pattern: &str) -> Self {
        let chars: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::with_capacity(chars.len());
        let mut at = 0;
        while let Some(&next) = chars.get(at) {
            at += 1;
            match next {
                '?' => tokens.push(Token::One),
                '*' if tokens.last() == Some(&Token::Many) => {}
                '*' => tokens.push(Token::Many),
                '[' => match class(&chars[at..]) {
                    Some((class, length)) => {
                        tokens.push(class);
                        at += length;
                    }
                    None => tokens.push(Token::Char('[')),
                },
                other => tokens.push(Token::Char(other)),
            }
        }
        Glob { tokens }
    }

    /// Whether the text holds a character that means something in a pattern.
    pub fn is_pattern(text: &str) -> bool {
        text.contains(['*', '?', '[', ']'])
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        // The last star and how far it reached: on a mismatch it takes one character more. Earlier
        // stars never need another try, so the work is at most text times pattern.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.tokens.get(token) {
                Some(Token::Many) => {
                    star = Some((token, at));
                    token += 1;
                }
                Some(single) if single.takes(text[at]) => {
                    at += 1;
                    token += 1;
                }
                _ => match star {
                    Some((many, reached)) => {
                        star = Some((many, reached + 1));
                        at = reached + 1;
                        token = many + 1;
                    }
                    None => return false,
                },
            }
        }
        self.tokens[token..].iter().all(|rest| *rest == Token::Many)
    }
}

impl Token {
    fn takes(&self, char: char) -> bool {
        match self {
            Token::Char(own) => *own == char,
            Token::One => true,
            Token::Many => false,
            Token::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&char))
                    != *negated
            }
        }
    }
}

/// Reads a class from after its `[`, with the number of characters up to and with its `]`. A `]`
/// that stands first is a member.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let negated = chars.first() == Some(&'!');
    let start = usize::from(negated);
    let end = (start + 1..chars.len()).find(|at| chars[*at] == ']')?;
    let members = &chars[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(&low) = members.get(at) {
        match (members.get(at + 1), members.get(at + 2)) {
            (Some('-'), Some(&high)) => {
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    Some((Token::Class { negated, ranges }, end + 1))
}

/// A pattern over paths. A folder stands for everything in it: `models/crm`, `models/*`,
/// `models/**/daily_*.sql`. A star stays within one folder, `**` spans any number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathGlob {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Name(Glob),
    /// `**`
    Folders,
}

impl PathGlob {
    /// Either separator is read, and `./` before or `/` after changes nothing.
    pub fn new(pattern: &str) -> Self {
        let mut segments: Vec<Segment> = pattern
            .split(['/', '\\'])
            .filter(|segment| !segment.is_empty() && *segment != ".")
            .map(|segment| match segment {
                "**" => Segment::Folders,
                name => Segment::Name(Glob::new(name)),
            })
            .collect();
        // Two in a row mean the same as one, and cost a great deal more to match.
        segments.dedup_by(|next, last| *next == Segment::Folders && *last == Segment::Folders);
        PathGlob { segments }
    }

    /// Whether the pattern is the path or a folder above it.
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<&str> = path.split('/').collect();
        matches_segments(&self.segments, &path)
    }
}

fn matches_segments(pattern: &[Segment], path: &[&str]) -> bool {
    match (pattern, path) {
        // What is left of the path lies below the folder that the pattern names.
        ([], _) => true,
        ([Segment::Folders, rest @ ..], _) => {
            (0..=path.len()).any(|skipped| matches_segments(rest, &path[skipped..]))
        }
        ([Segment::Name(_), ..], []) => false,
        ([Segment::Name(glob), rest @ ..], [name, below @ ..]) => {
            glob.matches(name) && matches_segments(rest, below)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_fnmatch() {
        for (pattern, text, expect) in [
            ("user_*", "user_360", true),
            ("*", "", true),
            ("user_???", "user_360", true),
            ("user_??", "user_360", false),
            ("*_360", "user_360", true),
            ("u*_*0", "user_360", true),
            ("a*b*c", "a-b-b-d", false),
            ("crm.*", "crm.wide.user_360", true),
            ("user_[0-9]*", "user_360", true),
            ("user_[!0-9]*", "user_360", false),
            ("[]]x", "]x", true),
            ("[z-a]", "m", false),
            ("[open", "[open", true),
            ("[!]", "[!]", true),
            ("User", "user", false),
            ("{a,b}", "a", false),
            ("é?", "éà", true),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expect,
                "{pattern} on {text}"
            );
        }
    }

    #[test]
    fn a_folder_stands_for_what_is_in_it() {
        let path = "models/crm/wide/user_360.sql";
        for (pattern, expect) in [
            ("models", true),
            ("models/crm", true),
            ("models/crm/", true),
            ("./models/crm", true),
            ("models\\crm", true),
            ("models/crm/wide/user_360.sql", true),
            ("models/*", true),
            ("models/**/user_*.sql", true),
            ("**/wide", true),
            ("models/**/**/crm", true),
            ("models/user_*", false),
            ("models/*/user_360.sql", false),
            ("crm", false),
            ("models/cr", false),
            ("models/crm/wide/user_360.sql/more", false),
        ] {
            assert_eq!(PathGlob::new(pattern).matches(path), expect, "{pattern}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let text = "a".repeat(2_000);
        assert!(!Glob::new(&"*a".repeat(500).replace("*a", "*a*")).matches(&"b".repeat(2_000)));
        assert!(!Glob::new(&format!("{}b", "a*".repeat(200))).matches(&text));
        let deep = vec!["folder"; 30].join("/");
        assert!(!PathGlob::new(&format!("{}x", "**/".repeat(300))).matches(&deep));
    }
}
