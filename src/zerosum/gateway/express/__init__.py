"""The express way: a plain request to one of the hottest routes, answered between two socket events.

    protocol    a request's head has come whole; then its body; then its answer may leave
    way         which requests are plain enough, by their heads
    journey     one of them: from its body to its answer

No task, no framework. Everything is judged by what judges other requests (`judgement`, `charging`, `admission`,
`json_guard`), and answered as they are (`exchange`). Whatever is not plain, would have to wait or would be refused is
left alone: the gateway then takes the request its ordinary way, as if nobody had looked at it. What was begun is not
left alone any more: if its answer is no plain one, the gateway concludes it.
"""
