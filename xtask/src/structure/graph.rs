//! Strongly connected components of a directed graph, by Tarjan's algorithm.

/// The components of more than one node; the nodes of each, and the components, are sorted.
pub fn cycles(successors: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let count = successors.len();
    let mut search = Search {
        successors,
        index: vec![None; count],
        low: vec![0; count],
        on_stack: vec![false; count],
        stack: Vec::new(),
        next: 0,
        found: Vec::new(),
    };
    for node in 0..count {
        if search.index[node].is_none() {
            search.visit(node);
        }
    }
    let mut found = search.found;
    found.sort();
    found
}

/// The state of the depth-first search.
struct Search<'a> {
    successors: &'a [Vec<usize>],
    index: Vec<Option<usize>>,
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, node: usize) {
        let index = self.next;
        self.next += 1;
        self.index[node] = Some(index);
        self.low[node] = index;
        self.stack.push(node);
        self.on_stack[node] = true;
        let successors = self.successors;
        for &next in &successors[node] {
            match self.index[next] {
                None => {
                    self.visit(next);
                    self.low[node] = self.low[node].min(self.low[next]);
                }
                Some(other) if self.on_stack[next] => {
                    self.low[node] = self.low[node].min(other);
                }
                Some(_) => {}
            }
        }
        if self.low[node] == index {
            self.close(node);
        }
    }

    /// Takes the component with this root from the stack.
    fn close(&mut self, root: usize) {
        let start = self.stack.iter().rposition(|&node| node == root).unwrap_or_default();
        let mut component = self.stack.split_off(start);
        for &node in &component {
            self.on_stack[node] = false;
        }
        if component.len() > 1 {
            component.sort_unstable();
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_more_than_one_node_are_found() {
        let graph = [vec![1, 4], vec![2], vec![0], vec![0, 3], vec![5], vec![6, 4], vec![]];
        assert_eq!(cycles(&graph), [vec![0, 1, 2], vec![4, 5]]);
        assert!(cycles(&[vec![1, 2], vec![2], vec![]]).is_empty());
    }
}
