rule render_report:
    input:
        rules.search_persons.output,
        rules.evaluate_search.output,
    output:
        touch("<results>/report/index.html"),


rule report:
    input:
        rules.render_report.output,
