"""Whether a count would end without a result because too many conversations are left out."""

from __future__ import annotations

from pages.ui.caching import cached
from pages.ui.corpus.corpus_choice import ChosenCorpus
from pages.ui.corpus.counting_form import template_of
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.trial import require_few_refused
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def refusal(tokenizer: Tokenizer, chosen: ChosenCorpus, options: dict) -> InputError | None:
    """Why a count would end without a result, as far as the first rows say; None if it would not.

    Args:
        tokenizer: the tokenizer.
        chosen: the corpus.
        options: what `counting_form.choose_options` returned.
    """
    if chosen.corpus is None:
        return None
    names = ("rule", "reasoning", "last_turn_only", "most_refused")
    given = {name: options[name] for name in names}
    try:
        template = template_of(tokenizer, options)
    except InputError as error:
        return error
    modified = tuple(path.stat().st_mtime_ns for path in chosen.corpus.files)
    key = (template.fingerprint, tokenizer.fingerprint, tuple(given.items()))
    return _refusal(chosen.corpus, modified, key, CountConfig(tokenizer, template, **given))


@cached(8, "Trying the template on the first rows")
def _refusal(
    corpus: Corpus, modified: tuple[int, ...], key: tuple, _recipe: CountConfig
) -> InputError | None:
    try:
        require_few_refused(corpus, _recipe)
    except InputError as error:
        return error
    return None
