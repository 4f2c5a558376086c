"""The standard model in plain PyTorch: what the benchmarks compare this library with.

Written as one writes it there who knows PyTorch and wants it fast: the encoder is one
packed `nn.LSTM`, keys are projected once, the vocabulary projection is one product for
all steps, Adam is fused, searches stop when all are finished. Same architecture, sizes,
dropout and loss as what `kseq2seq.build_model` gives with attention `luong_general` and
input feeding; with `load_weights` it has the weights of such a Keras model, and gives
the same logits.
"""

import re

import machine

torch = machine.import_torch()
nn, functional = torch.nn, torch.nn.functional

PAD_ID, UNK_ID, BOS_ID, EOS_ID = range(4)
# Of `Seq2SeqConfig`, the arguments of `Seq2Seq` here.
SIZES = ("source_vocabulary_size", "target_vocabulary_size", "embedding_size", "units")


class Seq2Seq(nn.Module):
    """Bidirectional LSTM, LSTM cell with Luong general attention and input feeding.

    Args:
        source_vocabulary_size: Number of source ids.
        target_vocabulary_size: Number of target ids.
        embedding_size: Size of source and target embeddings.
        units: Size of the decoder, and of both directions of the encoder together.
        dropout: Fraction dropped of embeddings, memory and attentional vectors.
    """

    def __init__(
        self,
        source_vocabulary_size,
        target_vocabulary_size,
        embedding_size=256,
        units=512,
        dropout=0.3,
    ):
        super().__init__()
        self.source_embedding = nn.Embedding(
            source_vocabulary_size, embedding_size, padding_idx=PAD_ID
        )
        self.target_embedding = nn.Embedding(
            target_vocabulary_size, embedding_size, padding_idx=PAD_ID
        )
        self.encoder = nn.LSTM(
            embedding_size, units // 2, batch_first=True, bidirectional=True
        )
        self.cell = nn.LSTMCell(embedding_size + units, units)
        self.key_projection = nn.Linear(units, units, bias=False)
        self.attentional = nn.Linear(2 * units, units, bias=False)
        self.projection = nn.Linear(units, target_vocabulary_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, source, target):
        """Logits of shape `(batch, target_length, vocabulary)`."""
        memory, state = self.encode(source)
        embedded = self.dropout(self.target_embedding(target))
        outputs = []
        for x in embedded.unbind(1):
            state = self.step(x, state, memory)
            outputs.append(state[-1])
        return self.projection(self.dropout(torch.stack(outputs, 1)))

    def encode(self, source):
        """First state of decoding.

        Args:
            source: Ids of shape `(batch, source_length)`.

        Returns:
            A tuple `(memory, state)`: values, keys and the mask of padding, each with
            `batch` rows; hidden state, cell state and attentional vector, likewise.
        """
        lengths = (source != PAD_ID).sum(1).cpu()
        embedded = self.dropout(self.source_embedding(source))
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, lengths, batch_first=True, enforce_sorted=False
        )
        outputs, (hidden, cell) = self.encoder(packed)
        values, _ = nn.utils.rnn.pad_packed_sequence(
            outputs, batch_first=True, total_length=source.shape[1]
        )
        values = self.dropout(values)
        hidden, cell = (torch.cat([x[0], x[1]], -1) for x in (hidden, cell))
        memory = values, self.key_projection(values), source == PAD_ID
        return memory, (hidden, cell, torch.zeros_like(hidden))

    def step(self, x, state, memory):
        """The state after one more token, whose embeddings are `x`."""
        hidden, cell, fed = state
        values, keys, padding = memory
        hidden, cell = self.cell(torch.cat([x, fed], -1), (hidden, cell))
        scores = torch.bmm(keys, hidden.unsqueeze(2)).squeeze(2)  # (B, S)
        weights = scores.masked_fill(padding, float("-inf")).softmax(-1)
        context = torch.bmm(weights.unsqueeze(1), values).squeeze(1)
        fed = torch.tanh(self.attentional(torch.cat([context, hidden], -1)))
        return hidden, cell, fed


class Trainer:
    """A model with its optimizer: one call a batch.

    Args:
        model: A `Seq2Seq`.
        dtype: `"float32"`, or `"bfloat16"` for autocast.
        learning_rate: Of Adam.
        clip_norm: Global norm that gradients are clipped by.
        label_smoothing: Share of the target spread over the vocabulary.
    """

    def __init__(
        self,
        model,
        dtype="float32",
        learning_rate=0.001,
        clip_norm=5.0,
        label_smoothing=0.1,
    ):
        self.model, self.dtype = model.train(), dtype
        self.clip_norm, self.label_smoothing = clip_norm, label_smoothing
        # Keras's epsilon.
        self.optimizer = torch.optim.Adam(
            model.parameters(), learning_rate, eps=1e-7, fused=True
        )

    def step(self, source, target, labels):
        """Trains on a batch of ids; returns the loss, a tensor."""
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(source.device, self.dtype):
            logits = self.model(source, target)
            loss = functional.cross_entropy(
                logits.flatten(0, 1),
                labels.flatten(),
                ignore_index=PAD_ID,
                label_smoothing=self.label_smoothing,
            )
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        return loss.detach()


def autocast(device, dtype):
    """The context in which products are of a dtype."""
    device = torch.device(device).type
    return torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16")


@torch.inference_mode()
def greedy(model, source, max_length, min_length=0):
    """The likeliest token at every step.

    Args:
        model: A `Seq2Seq`, in `eval()`.
        source: Ids of shape `(batch, source_length)`.
        max_length: Tokens at most, EOS included.
        min_length: Tokens before EOS is allowed; `max_length` to force the length.

    Returns:
        Ids of shape `(batch, steps)`, PAD after EOS.
    """
    memory, state = model.encode(source)
    tokens = source.new_full((len(source),), BOS_ID)
    finished = torch.zeros_like(tokens, dtype=torch.bool)
    steps = []
    for number in range(max_length):
        state = model.step(model.target_embedding(tokens), state, memory)
        logits = forbid(model.projection(state[-1]), number < min_length)
        tokens = logits.argmax(-1).masked_fill(finished, PAD_ID)
        steps.append(tokens)
        finished = finished | (tokens == EOS_ID)
        if finished.all():
            break
    return torch.stack(steps, 1)


@torch.inference_mode()
def beam_search(
    model, source, beam_size=5, max_length=100, min_length=0, length_penalty=1.0
):
    """The best hypothesis of a beam, found until all of the beam are finished.

    Args:
        model: A `Seq2Seq`, in `eval()`.
        source: Ids of shape `(batch, source_length)`.
        beam_size: Hypotheses of a source.
        max_length: Tokens at most, EOS included.
        min_length: Tokens before EOS is allowed; `max_length` to force the length.
        length_penalty: Exponent of `(5 + length) / 6`, by which log-probabilities are
            divided.

    Returns:
        Ids of shape `(batch, steps)`, PAD after EOS.
    """
    batch = len(source)
    memory, state = (
        tuple(x.repeat_interleave(beam_size, 0) for x in part)
        for part in model.encode(source)
    )
    first_row = torch.arange(batch, device=source.device)[:, None] * beam_size  # (B, 1)
    tokens = source.new_full((batch, beam_size), BOS_ID)
    ids = source.new_empty((batch, beam_size, 0))
    finished = torch.zeros_like(tokens, dtype=torch.bool)
    scores = torch.full(tokens.shape, float("-inf"), device=source.device)
    scores[:, 0] = 0  # all hypotheses are alike as yet
    for number in range(max_length):
        state = model.step(model.target_embedding(tokens.flatten()), state, memory)
        logits = forbid(model.projection(state[-1]), number < min_length)
        new = logits.float().log_softmax(-1).unflatten(0, (batch, beam_size))
        # What is finished goes on with padding, which costs nothing.
        new = new.masked_fill(finished[..., None], float("-inf"))
        new[..., PAD_ID].masked_fill_(finished, 0)
        scores, best = (scores[..., None] + new).flatten(1).topk(beam_size)
        parents = best // new.shape[-1]
        tokens = best % new.shape[-1]
        rows = (first_row + parents).flatten()
        state = tuple(x[rows] for x in state)
        ids = ids.gather(1, parents[..., None].expand_as(ids))
        ids = torch.cat([ids, tokens[..., None]], -1)
        finished = finished.gather(1, parents) | (tokens == EOS_ID)
        if finished.all():
            break
    lengths = (ids != PAD_ID).sum(-1)
    chosen = (scores / ((5 + lengths) / 6) ** length_penalty).argmax(-1)
    return ids[torch.arange(batch, device=source.device), chosen]


def forbid(logits, too_short):
    """Logits without the ids that are no words: PAD, BOS, and EOS where too early."""
    forbidden = [PAD_ID, BOS_ID, EOS_ID] if too_short else [PAD_ID, BOS_ID]
    logits[..., forbidden] = float("-inf")
    return logits


def from_config(config):
    """A `Seq2Seq` with the sizes and the dropout of a `Seq2SeqConfig`, as a dict.

    Raises:
        ValueError: If the config names an architecture that this one is not.
    """
    expected = {
        "attention": "luong_general",
        "input_feeding": True,
        "cell": "lstm",
        "bidirectional": True,
        "bridge": "copy",
        "tie_embeddings": False,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "attention_query": "current",
        "encoder_units": None,
        "attentional_units": None,
        "attention_options": {},
    }
    others = {name: config[name] for name, x in expected.items() if config[name] != x}
    if others:
        raise ValueError(
            f"The model in PyTorch is of {expected}. Received: config with {others}"
        )
    return Seq2Seq(*(config[name] for name in SIZES), dropout=config["dropout"])


def load_weights(model, weights):
    """Gives a `Seq2Seq` the weights of a Keras model of the same architecture.

    Both have the gates of an LSTM in the order input, forget, candidate, output.
    PyTorch has two biases that are added up: the second becomes 0.

    Args:
        model: The `Seq2Seq`.
        weights: Dict from the path of each weight of the Keras model to its array:
            `{x.path: x.numpy() for x in keras_model.weights}`.

    Raises:
        ValueError: If a weight is missing, left over or of another shape.
    """
    places = {
        "source_embedding/embeddings": "source_embedding.weight",
        "target_embedding/embeddings": "target_embedding.weight",
        "attention/key_kernel": "key_projection.weight",
        "attentional/kernel": "attentional.weight",
        "projection/kernel": "projection.weight",
        "projection/bias": "projection.bias",
    }
    cells = {
        "forward_lstm/lstm_cell": ("encoder", "_l0"),
        "backward_lstm/lstm_cell": ("encoder", "_l0_reverse"),
        "decoder_0": ("cell", ""),
    }
    for name, (layer, suffix) in cells.items():
        places[f"{name}/kernel"] = f"{layer}.weight_ih{suffix}"
        places[f"{name}/recurrent_kernel"] = f"{layer}.weight_hh{suffix}"
        places[f"{name}/bias"] = f"{layer}.bias_ih{suffix}"
    own = dict(model.named_parameters())
    missing = set(own)
    for path, value in weights.items():
        # Keras counts the layers that it has to name itself.
        path = re.sub(r"ward_lstm_\d+/", "ward_lstm/", path)
        place = next(
            (x for end, x in places.items() if f"/{path}".endswith(f"/{end}")), None
        )
        if place is None:
            raise ValueError(
                f"`weights` of the architecture expected. Received: {path}"
            )
        value = torch.as_tensor(value)
        value = value.T if path.endswith("kernel") else value
        if value.shape != own[place].shape:
            raise ValueError(
                f"{path} must be of shape {tuple(own[place].shape)}, transposed if a "
                f"kernel. Received: {tuple(value.shape)}"
            )
        with torch.no_grad():
            own[place].copy_(value)
        missing.discard(place)
    for place in [x for x in missing if ".bias_hh" in x]:
        nn.init.zeros_(own[place])
        missing.discard(place)
    if missing:
        raise ValueError(f"`weights` lack {sorted(missing)}. Received: {list(weights)}")
