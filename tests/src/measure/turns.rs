//! Turns: each side works once in every round, so that all sides have the same conditions.

use super::Figure;
use crate::Tested;

/// The work of a side in its turn; it returns one figure, or several figures of one piece of work.
type Turn<'a> = Box<dyn FnMut() -> Tested<Vec<f64>> + 'a>;

/// The number of rounds from which on the first round is ignored: short work needs a round to fill the caches.
const WARMED_FROM: usize = 5;

/// A program to measure. By convention the first side is image-cache.
pub struct Side<'a> {
    name: String,
    turn: Result<Turn<'a>, String>,
}

impl<'a> Side<'a> {
    /// An available side.
    pub fn new(name: impl Into<String>, turn: impl FnMut() -> Tested<Vec<f64>> + 'a) -> Side<'a> {
        Side { name: name.into(), turn: Ok(Box::new(turn)) }
    }

    /// A missing side with the reason.
    pub fn missing(name: impl Into<String>, why: impl ToString) -> Side<'a> {
        Side { name: name.into(), turn: Err(why.to_string()) }
    }

    /// A side that is available if `found` is.
    pub fn of<T: 'a>(
        name: impl Into<String>,
        found: Tested<T>,
        mut turn: impl FnMut(&mut T) -> Tested<Vec<f64>> + 'a,
    ) -> Side<'a> {
        match found {
            Ok(mut found) => Side::new(name, move || turn(&mut found)),
            Err(why) => Side::missing(name, why),
        }
    }
}

/// The figure of a peer, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its figure.
    pub figure: Result<Figure, String>,
}

/// The results of a side's turns.
#[derive(Debug, Clone)]
pub struct Score {
    /// The name of the side.
    pub name: String,
    /// One figure for each value that a turn returns, or the reason why there is none.
    pub figures: Result<Vec<Figure>, String>,
}

impl Score {
    /// One of the figures, if it is available.
    pub fn figure(&self, nth: usize) -> Option<Figure> {
        self.figures.as_ref().ok()?.get(nth).copied()
    }

    /// One of the figures as a peer's; if there is only one, that one.
    pub fn peer(&self, nth: usize) -> Peer {
        let measured = self.figures.as_ref().map_err(Clone::clone);
        let figure = measured.and_then(|all| {
            all.get(nth).or(all.first()).copied().ok_or_else(|| "it measured nothing".to_owned())
        });
        Peer { name: self.name.clone(), figure }
    }
}

/// Gives each side its turn in each round. If a peer fails, it is missing from then on; if our side fails, this is an error.
///
/// # Errors
/// If the first side fails.
pub fn in_turns(rounds: usize, mut sides: Vec<Side<'_>>) -> Tested<Vec<Score>> {
    let mut samples: Vec<Vec<Vec<f64>>> = vec![Vec::new(); sides.len()];
    let unmeasured = usize::from(rounds >= WARMED_FROM);
    for round in 0..rounds + unmeasured {
        for (number, (side, samples)) in sides.iter_mut().zip(&mut samples).enumerate() {
            let Ok(turn) = &mut side.turn else { continue };
            match turn() {
                Ok(_) if round < unmeasured => {}
                Ok(figures) => samples.push(figures),
                Err(why) if number == 0 => return Err(why),
                Err(why) => side.turn = Err(why.to_string()),
            }
        }
    }
    Ok(sides.into_iter().zip(samples).map(|(side, samples)| score(side, &samples)).collect())
}

fn score(side: Side<'_>, samples: &[Vec<f64>]) -> Score {
    let count = samples.iter().map(Vec::len).min().unwrap_or(0);
    let nth = |nth: usize| Figure::of(&samples.iter().map(|each| each[nth]).collect::<Vec<_>>());
    Score { name: side.name, figures: side.turn.map(|_| (0..count).filter_map(nth).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_fails_is_missing_with_its_reason_and_the_others_continue() -> Tested {
        let mut turns = 0;
        let sides = vec![
            Side::new("ours", || Ok(vec![1.0, 2.0])),
            Side::new("breaks", || {
                turns += 1;
                if turns > 1 { Err("it broke".into()) } else { Ok(vec![1.0]) }
            }),
            Side::missing("absent", "not installed"),
        ];
        let scores = in_turns(3, sides)?;
        assert_eq!(scores[0].figure(1).map(|figure| figure.median), Some(2.0));
        assert_eq!(scores[1].peer(0).figure, Err("it broke".to_owned()));
        assert_eq!(scores[2].peer(0).figure, Err("not installed".to_owned()));
        Ok(())
    }

    #[test]
    fn a_failure_of_ours_is_no_row() {
        let failing = Side::new("ours", || Err("it broke".into()));
        assert!(in_turns(1, vec![failing]).is_err());
    }
}
