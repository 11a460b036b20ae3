# The protocol: what a bucket's jobs may go through.
queue_sources = \
	src/queue/attempt.c src/queue/attempt.h \
	src/queue/candidates.c src/queue/candidates.h \
	src/queue/charge.c src/queue/charge.h \
	src/queue/claim.c \
	src/queue/claim_state.c src/queue/claim_state.h \
	src/queue/failure.c \
	src/queue/fleet.c src/queue/fleet.h \
	src/queue/fleet_edit.c src/queue/fleet_edit.h \
	src/queue/gate.c src/queue/gate.h src/queue/gate_parts.h \
	src/queue/gate_answers.c src/queue/gate_ask.c src/queue/gate_deletes.c \
	src/queue/gate_memory.c src/queue/gate_races.c src/queue/gate_rules.c \
	src/queue/heal.c src/queue/heal.h \
	src/queue/history.c src/queue/history.h \
	src/queue/identity.c src/queue/identity.h \
	src/queue/keys.c src/queue/keys.h \
	src/queue/move.c src/queue/move.h \
	src/queue/orphan.c \
	src/queue/planted.h \
	src/queue/publish.c \
	src/queue/queue.c src/queue/queue.h \
	src/queue/record.c src/queue/record.h \
	src/queue/record_attempt.c \
	src/queue/scan.c src/queue/scan.h \
	src/queue/sight.c src/queue/sight.h \
	src/queue/step.c src/queue/step.h \
	src/queue/tier.c src/queue/tier.h \
	src/queue/view.c src/queue/view.h \
	src/queue/view_look.h src/queue/view_states.c
libblobforge_a_SOURCES += $(queue_sources)
