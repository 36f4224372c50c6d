//! What test programs print, read as they print it.

/// So many tests that fail are run once more; more than that is no accident.
const FEW: usize = 5;

/// Results of all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// A test program has begun and not told its result. Those with a harness of their own tell only the result.
    runs: bool,
    /// A test program ended without a result.
    died: bool,
    /// What tests that failed have printed is shown: a test program that one of them ran, too.
    shown: bool,
    /// The tests that failed, each once.
    names: Vec<String>,
}

impl Results {
    /// Takes a line: `running 3 tests`, `test a::b ... FAILED`, `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            (self.runs, self.shown) = (false, false);
            self.result(result);
        } else if line == "failures:" {
            self.shown = true;
        } else if !self.shown
            && line.starts_with("running ")
            && (line.ends_with(" tests") || line.ends_with(" test"))
        {
            self.died |= self.runs;
            self.runs = true;
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED"))
            && !self.names.iter().any(|known| known == name)
        {
            self.names.push(name.to_owned());
        }
    }

    fn result(&mut self, result: &str) {
        for part in result.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The tests that failed, where it makes sense to run them again: a few, each known by name, and no test program died.
    pub(super) fn to_run_again(&self) -> Option<&[String]> {
        let few = !self.names.is_empty() && self.names.len() <= FEW;
        (few && !self.has_died()).then_some(&self.names)
    }

    /// Whether as many tests passed as are named, at least, and none failed.
    pub(super) fn passed_all_of(&self, names: &[String]) -> bool {
        let all = u64::try_from(names.len()).is_ok_and(|names| self.passed >= names);
        all && self.failed == 0 && !self.has_died()
    }

    fn has_died(&self) -> bool {
        self.died || self.runs
    }

    /// The last line: how many tests passed, failed and were left out.
    pub(super) fn summary(&self, passed_again: bool) -> String {
        let Self { passed, ignored, .. } = self;
        let named = u64::try_from(self.names.len()).unwrap_or(u64::MAX);
        // A test that failed may have shown results of a test program that it ran.
        let failed = if named > 0 { named } else { self.failed };
        let skipped = if *ignored > 0 { format!(", {ignored} skipped") } else { String::new() };
        let (passed, failed) = if passed_again { (passed + failed, 0) } else { (*passed, failed) };
        format!("{passed} passed, {failed} failed{skipped}")
    }
}

#[cfg(test)]
mod tests {
    use super::Results;

    fn read(lines: &[&str]) -> Results {
        let mut results = Results::default();
        lines.iter().for_each(|line| results.line(line));
        results
    }

    const ONE_FAILS: [&str; 6] = [
        "running 2 tests",
        "test one ... ok",
        "test a::two ... FAILED",
        "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s",
        "running 1 test",
        "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
    ];

    #[test]
    fn results_of_all_test_programs_are_added() {
        let results = read(&ONE_FAILS);
        assert_eq!(results.summary(false), "2 passed, 1 failed, 1 skipped");
        assert_eq!(results.summary(true), "3 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_few_known_tests_are_run_again() {
        assert_eq!(read(&ONE_FAILS).to_run_again(), Some(&["a::two".to_owned()][..]));
    }

    #[test]
    fn nothing_is_run_again_where_all_passed_where_many_failed_or_where_a_program_died() {
        assert_eq!(
            read(&["running 0 tests", "test result: ok. 0 passed; 0 failed"]).to_run_again(),
            None
        );
        let died = ["running 2 tests", "test one ... FAILED"];
        assert_eq!(read(&died).to_run_again(), None);
        let before = [&["running 7 tests"][..], &ONE_FAILS].concat();
        assert_eq!(read(&before).to_run_again(), None);
        // One with a harness of its own does not say how many tests it runs.
        let own = [&ONE_FAILS[..], &["test result: ok"]].concat();
        assert_eq!(read(&own).to_run_again().map(<[String]>::len), Some(1));
        let mut many = vec!["running 6 tests"];
        let names: Vec<String> = (0..6).map(|name| format!("test {name} ... FAILED")).collect();
        many.extend(names.iter().map(String::as_str));
        many.push("test result: FAILED. 0 passed; 6 failed");
        assert_eq!(read(&many).to_run_again(), None);
    }

    #[test]
    fn a_test_program_that_a_test_ran_is_part_of_what_the_test_shows() {
        let inner = ["running 1 test", "test a ... FAILED", "failures:", "    a"];
        let mut lines = vec!["running 1 test", "test a ... FAILED", "failures:"];
        lines.extend(inner);
        lines.extend(["test result: FAILED. 0 passed; 1 failed", "failures:", "    a"]);
        lines.extend(["test result: FAILED. 0 passed; 1 failed", "running 1 test"]);
        lines.extend(["test b ... ok", "test result: ok. 1 passed; 0 failed"]);
        let results = read(&lines);
        assert_eq!(results.to_run_again(), Some(&["a".to_owned()][..]));
        assert_eq!(results.summary(false), "1 passed, 1 failed");
    }

    #[test]
    fn a_second_run_in_which_a_test_was_not_found_proves_nothing() {
        let names = ["a".to_owned(), "b".to_owned()];
        let one = read(&["running 1 test", "test a ... ok", "test result: ok. 1 passed; 0 failed"]);
        assert!(!one.passed_all_of(&names));
        assert!(one.passed_all_of(&names[..1]));
    }
}
