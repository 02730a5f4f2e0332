"""Train: drafts for one target at several sizes, and what each keeps of the acceptance length."""

import streamlit as st

from pages.ui.frame import footer, heading, plain_errors, tabs
from pages.ui.router import require_router
from pages.ui.session import session
from pages.ui.train import answers_view, cost_view, experiment_view, request_form, run_view

require_router()

EXAMPLE = ["train", "--target", "smollm2", "--k", "full", "--k", "4096"]


def set_up() -> list[str]:
    """Choose, see the cost, start."""
    run_view.failure_note()
    left, right = st.columns([1.25, 1], gap="large")
    request = None
    with left, plain_errors():
        request = request_form.form()
    with right, plain_errors():
        if request is None:
            cost_view.known()  # asked meanwhile
            st.info(
                "Choose a target and conversations; what a training costs is shown here before "
                "anything starts.",
                icon=":material/model_training:",
            )
            return EXAMPLE
        cost_view.panel(request)
    online = left.expander("Online training on two GPUs or more", icon=":material/lan:")
    with online, plain_errors():
        cost_view.online(request)
    return request.argv


heading("Train", "Teach a draft to propose the tokens you keep, and see what each size keeps.")
if session.run_to_show:
    session.train_view, session.train_run = "Runs", session.run_to_show
    del session.run_to_show
elif session.train_view is None:
    busy = any(job.active for name in run_view.names() for job in cost_view.of_run(name))
    failed = run_view.failure()
    session.train_view = "Runs" if busy or failed else "Experiment"
    if failed and not busy:
        session.train_run = failed[0]
panels = {
    "Experiment": lambda: footer(experiment_view.panel()),
    "Set up": lambda: footer(set_up()),
    "Runs": lambda: footer(run_view.panel()),
    "Own answers": lambda: footer(answers_view.panel()),
}
tabs(panels, key="train_view")
