/// Tokens of a call by their kind. The kinds exclude each other, so they can be summed and priced one by one.
///
/// APIs count in different ways, which is why there is a function for each: taken as they come, cached or reasoning
/// tokens would be counted, and paid, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Read by the model anew.
    pub input: u64,
    /// Written by the model, without its reasoning.
    pub output: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written into the provider's cache.
    pub cache_write: u64,
    /// Thought by the model and not shown.
    pub reasoning: u64,
}

impl Tokens {
    /// From the usage of Anthropic's API, whose `input_tokens` leave out what the cache gave and took.
    pub fn from_anthropic(input: u64, output: u64, cache_read: u64, cache_creation: u64) -> Self {
        Self { input, output, cache_read, cache_write: cache_creation, reasoning: 0 }
    }

    /// From the usage of OpenAI's API, whose input holds `cached` and whose output holds `reasoning`.
    pub fn from_openai(input: u64, output: u64, cached: u64, reasoning: u64) -> Self {
        Self {
            input: input.saturating_sub(cached),
            output: output.saturating_sub(reasoning),
            cache_read: cached.min(input),
            cache_write: 0,
            reasoning: reasoning.min(output),
        }
    }

    /// From the usage of Gemini's API, whose prompt holds `cached` and whose candidates leave out the thoughts.
    pub fn from_gemini(prompt: u64, candidates: u64, cached: u64, thoughts: u64) -> Self {
        Self {
            input: prompt.saturating_sub(cached),
            output: candidates,
            cache_read: cached.min(prompt),
            cache_write: 0,
            reasoning: thoughts,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.kinds().iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Each kind by its name in the label `token_type`.
    pub fn kinds(&self) -> [(&'static str, u64); 5] {
        [
            ("input", self.input),
            ("output", self.output),
            ("cache_read", self.cache_read),
            ("cache_write", self.cache_write),
            ("reasoning", self.reasoning),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_exclude_each_other_whatever_the_api_counts() {
        let openai = Tokens::from_openai(1000, 300, 400, 120);
        assert_eq!(
            openai,
            Tokens { input: 600, output: 180, cache_read: 400, cache_write: 0, reasoning: 120 }
        );
        assert_eq!(openai.total(), 1300);
        assert_eq!(Tokens::from_anthropic(100, 20, 3, 4).total(), 127);
        assert_eq!(Tokens::from_gemini(100, 20, 30, 7).total(), 127);
        // More cached than read is a mistake of the API; nothing is invented from it.
        assert_eq!(Tokens::from_openai(10, 5, 99, 99).total(), 15);
    }
}
